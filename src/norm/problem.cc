#include "src/norm/problem.h"

#include <cmath>
#include <limits>

#include "src/core/elements.h"
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
  if (o.parameter_dtype && !IsFloating(*o.parameter_dtype))
    Fail("{} normalization: parameters of {}, expected f32, f64, bf16 or f16", spec.name,
         Name(*o.parameter_dtype));
}

// The spec with the parameters that the options want. What is said of channels holds for their
// groups.
NormSpec WithParameters(const NormSpec& spec, const Layout& layout, const NormOptions& o) {
  if (o.parameter_axes == 0) return spec;
  NormSpec result = spec;
  result.affine = static_cast<Dims>(o.parameter_axes | (o.parameter_axes & kC ? kG : 0));
  for (const Dim label : {kB, kT, kS, kC})
    if ((o.parameter_axes & label) != 0 && !layout.Has(label))
      Fail("{} normalization: parameters over {} given, expected axes of {}", spec.name,
           Layout({{label, 1}}).format(), layout.ToString());
  return result;
}

}  // namespace

Problem::Problem(const NormSpec& s, const Layout& l, DType d, const NormOptions& o)
    : spec(WithParameters(s, l, o)),
      layout(l),
      dtype(d),
      options(o),
      plan(MakePlan(l, static_cast<Dims>(~spec.reduce), spec.affine)),
      strides(Title(), layout, options.strides) {
  CheckOptions(spec, dtype, options);
  if (!IsFloating(d))
    Fail("{} normalization of {}: dtype is {}, expected f32, f64, bf16 or f16", s.name,
         l.ToString(), Name(d));
  CheckOutput();
  if (options.tree && strides.any()) Fail("{}: strides and a tree, expected one of them", Title());
  if (!l.Has(kC)) Fail("{} normalization: layout {} has no channel axis (C)", s.name, l.ToString());
}

void Problem::CheckOutput() const {
  const NormOptions& o = options;
  const bool integers = o.output == OutputType::kInt8 || o.output == OutputType::kUint8;
  const int32_t least = o.output == OutputType::kInt8 ? -128 : 0;
  const int32_t most = integers ? least + 255 : 0;
  const bool scaled = integers || o.output == OutputType::kFloat8E4M3;
  if (scaled ? !(o.output_scale > 0) || !std::isfinite(o.output_scale) : o.output_scale != 1)
    Fail("{}: output_scale is {}, expected {}", Title(), o.output_scale,
         scaled ? "a finite number above 0" : "1: nothing is divided by it");
  if (o.output_zero_point < least || o.output_zero_point > most)
    Fail("{}: output_zero_point is {}, expected {}", Title(), o.output_zero_point,
         integers ? fmt::format("a number from {} to {}", least, most) : "0: there is none");
  if (!quantizes()) return;
  if (o.tree) Fail("{}: y in 8 bits and a tree, expected one of them", Title());
  const bool own = o.output == OutputType::kInt8PerStatistic && plan.num_reduced > 1;
  if (own && plan.size > 0 && !plan.StatisticsAreRuns())
    Fail(
        "{}: a scale for each statistic, expected statistics of neighbours in memory, as those of "
        "rows (plan {})",
        Title(), plan.ToString());
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
  StoreGradients(args, 0, plan.num_param, dgamma, dbeta);
}

void Problem::StoreGradients(const Normalization::BackwardArgs& args, int64_t first, int64_t n,
                             const double* dgamma, const double* dbeta) const {
  const DType type = parameter_dtype();
  const auto store = [&](const double* sums, void* to) {
    if (to)
      AddOrStore({sums, static_cast<size_t>(n)}, type, args.accumulate,
                 static_cast<char*>(to) + first * static_cast<int64_t>(SizeOf(type)));
  };
  store(dgamma, args.dgamma);
  store(dbeta, args.dbeta);
}

}  // namespace normkit
