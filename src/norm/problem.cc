#include "src/norm/problem.h"

#include <cmath>
#include <limits>

#include "src/core/fail.h"
#include "src/core/log.h"

namespace normkit {
namespace {

void CheckOptions(const NormSpec& spec, DType dtype, const NormOptions& o) {
  if (!(o.epsilon > 0) || !std::isfinite(o.epsilon))
    Fail("{} normalization: epsilon is {}, expected a finite number above 0", spec.name, o.epsilon);
  // So that rstd^2, a factor of dx, stays in the range of the arithmetic's type.
  const double least =
      dtype == DType::kF64 ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  if (o.epsilon < least)
    Fail("{} normalization of {}: epsilon is {}, expected at least {}", spec.name, Name(dtype),
         o.epsilon, least);
  if (!(o.negative_slope >= 0) || !std::isfinite(o.negative_slope))
    Fail("{} normalization: negative_slope is {}, expected a finite number >= 0", spec.name,
         o.negative_slope);
  if (!std::isfinite(o.activation_alpha))
    Fail("{} normalization: activation_alpha is {}, expected a finite number", spec.name,
         o.activation_alpha);
}

template <class T>
void Store(const double* from, int64_t n, bool accumulate, void* to) {
  T* values = static_cast<T*>(to);
  for (int64_t p = 0; values && p < n; ++p)
    values[p] = static_cast<T>(from[p] + (accumulate ? static_cast<double>(values[p]) : 0));
}

}  // namespace

Problem::Problem(const NormSpec& s, const Layout& l, DType d, const NormOptions& o)
    : spec(s),
      layout(l),
      dtype(d),
      options(o),
      plan(MakePlan(l, static_cast<Dims>(~s.reduce), s.affine)) {
  CheckOptions(spec, dtype, options);
  if (!IsFloating(d))
    Fail("{} normalization of {}: dtype is {}, expected f32, f64, bf16 or f16", s.name,
         l.ToString(), Name(d));
  if (!l.Has(kC)) Fail("{} normalization: layout {} has no channel axis (C)", s.name, l.ToString());
}

std::string Problem::Title() const {
  if (!options.name.empty()) return options.name;
  return fmt::format("{} normalization of {}", spec.name, layout.ToString());
}

void Problem::WarnOfOneValue(double count) const {
  if (count != 1 || warned_.test_and_set()) return;
  if (spec.running)
    Warn(
        "{}: one value per statistic: the output is the offset (beta), and running variances "
        "are left alone; use larger batches",
        Title());
  else
    Warn(
        "{}: one value per statistic: the output is {}, whatever the batch; use statistics over "
        "more values",
        Title(), spec.center ? "the offset (beta)" : "the scale (gamma) with the sign of x");
}

void Problem::StoreGradients(const Normalization::BackwardArgs& args, const double* dgamma,
                             const double* dbeta) const {
  const auto store = ParameterDType(dtype) == DType::kF64 ? Store<double> : Store<float>;
  store(dgamma, plan.num_param, args.accumulate, args.dgamma);
  store(dbeta, plan.num_param, args.accumulate, args.dbeta);
}

}  // namespace normkit
