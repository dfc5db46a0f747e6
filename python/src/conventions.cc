// Numbers of other frameworks: normkit/nn/conventions.h.
#include "normkit/nn/conventions.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "python/src/module.h"
#include "python/src/networks.h"

namespace normkit::python {

namespace nb = nanobind;

namespace {

double MomentumBetween(double momentum, const std::string& from, const std::string& to) {
  return ConvertMomentum(momentum, ParseFramework(from), ParseFramework(to));
}

nb::object VarianceBetween(const Floats& variance, int64_t count, const std::string& from,
                           const std::string& to) {
  std::vector<float> values = Values(variance);
  ConvertVariance(values, count, ParseFramework(from), ParseFramework(to));
  const std::vector<int64_t> shape{std::ssize(values)};
  return ToNumpy(std::move(values), shape);
}

nb::object ScaleFor(const Floats& scale, const Floats& variance, double from, double to) {
  std::vector<float> values = Values(scale);
  ConvertEpsilon(values, Values(variance), from, to);
  const std::vector<int64_t> shape{std::ssize(values)};
  return ToNumpy(std::move(values), shape);
}

nb::object WeightsBetween(const Floats& weights, const std::string& kind, const std::string& from,
                          const std::string& to, const std::vector<int64_t>& flattened) {
  WeightArray given{Values(weights), {}};
  for (size_t axis = 0; axis < weights.ndim(); ++axis)
    given.shape.push_back(static_cast<int64_t>(weights.shape(axis)));
  WeightArray converted = ConvertWeights(ParseWeightKind(kind), given, ParseFramework(from),
                                         ParseFramework(to), flattened);
  return ToNumpy(std::move(converted.values), converted.shape);
}

}  // namespace

void AddConventions(nb::module_& m) {
  m.def("convert_momentum", &MomentumBetween);
  m.def("convert_variance", &VarianceBetween);
  m.def("convert_epsilon", &ScaleFor);
  m.def("convert_weights", &WeightsBetween);
}

}  // namespace normkit::python
