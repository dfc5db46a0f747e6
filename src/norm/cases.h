// The one table of cases that tests and benchmarks of the operation walk: spec x layout x dtype.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/norm/normalization.h"
#include "src/norm/choose.h"
#include "src/norm/reference.h"

namespace normkit::cases {

inline constexpr DType kDTypes[] = {DType::kF32, DType::kF64, DType::kBF16, DType::kF16};

// Every format of the toolbox that a normalization takes, in the orders in which its memory is
// found: channels first, channels last and time where frameworks put it.
inline constexpr const char* kFormats[] = {"BC",   "BCT",  "BTC",  "TBC",   "CT",    "TC",
                                           "BCS",  "BSC",  "BCSS", "BSSC",  "BCSSS", "BSSSC",
                                           "TBCS", "BTSC", "BCTS", "BTCSS", "BTSSC"};

struct Case {
  NormSpec spec;
  Layout layout;
  DType dtype = DType::kF32;

  std::string ToString() const {
    return std::string(spec.name) + " " + std::string(Name(dtype)) + " " + layout.ToString();
  }
};

// Sizes by letter, each dimension of S a little different from the one before.
struct Sizes {
  int64_t b = 3, t = 5, s = 7, c = 6, groups = 2;
};

inline Layout MakeLayout(std::string_view format, const Sizes& sizes) {
  std::vector<int64_t> shape;
  int64_t s = sizes.s;
  for (char letter : format) {
    const int64_t size = letter == 'B'   ? sizes.b
                         : letter == 'T' ? sizes.t
                         : letter == 'C' ? sizes.c
                                         : s;
    if (letter == 'S') s = std::max<int64_t>(1, s - 2);
    shape.push_back(size);
  }
  return Layout::Make(format, shape);
}

// Channels in blocks, as convolution libraries keep them: [B, C/8, S, 8], here G x C.
inline Layout MakeBlockedLayout(const Sizes& sizes) {
  return Layout({{kB, sizes.b}, {kG, sizes.groups}, {kS, sizes.s}, {kC, sizes.c / sizes.groups}});
}

inline std::vector<Case> AllCases(DType dtype, const Sizes& sizes = {}) {
  std::vector<Case> result;
  for (const NormSpec& spec : NormSpecs()) {
    for (const char* format : kFormats) {
      const Layout layout = MakeLayout(format, sizes);
      const bool grouped = IsGrouped(spec);
      result.push_back({spec, grouped ? layout.SplitChannels(sizes.groups) : layout, dtype});
    }
    result.push_back({spec, MakeBlockedLayout(sizes), dtype});
  }
  return result;
}

// Shapes with few, large statistics: their sums are cut in parts.
inline std::vector<Case> LargeStatisticCases(DType dtype) {
  std::vector<Case> result;
  const auto add = [&](const NormSpec& spec, std::string_view format, std::vector<int64_t> shape) {
    result.push_back({spec, Layout::Make(format, shape), dtype});
  };
  add(kLayerNorm, "TC", {1200, 301});
  add(kRmsNorm, "BC", {2, 300'001});
  add(kRmsNorm, "BCS", {1, 9001, 33});
  add(kLayerNormChannelOnly, "BCS", {2, 70'000, 5});
  return result;
}

// Specs that no row of the table is, for layouts that only they have.
inline std::vector<Case> CustomCases(DType dtype, const Sizes& sizes = {}) {
  const NormSpec over_time{"over time", kT, kT | kC};
  const NormSpec within_group{"within group", kC, kG | kC};
  // Mean-only batch normalization (Salimans & Kingma 2016).
  const NormSpec mean_only{"mean-only batch", kB | kT | kS,      kG | kC, true,
                           kG | kC,           NormDivisor::kNone};
  const Layout groups({{kB, sizes.b}, {kG, sizes.groups}, {kC, sizes.c}, {kS, sizes.s}});
  return {{over_time, MakeLayout("BTC", sizes), dtype},
          {over_time, MakeLayout("TBC", sizes), dtype},
          {mean_only, MakeLayout("BCSS", sizes), dtype},
          {mean_only, MakeLayout("BSSC", sizes), dtype},
          {within_group, groups, dtype}};
}

// `values` as an array of `dtype`; they are replaced by what the dtype makes of them.
inline Tensor MakeTensor(const Layout& layout, DType dtype, std::vector<double>& values) {
  Tensor tensor(layout, dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    double& v = values[i];
    const auto f = static_cast<float>(v);
    switch (dtype) {
      case DType::kF32:
        v = tensor.values<float>()[i] = f;
        break;
      case DType::kF64:
        tensor.values<double>()[i] = v;
        break;
      case DType::kBF16:
        v = ToFloat(tensor.values<BFloat16>()[i] = ToBFloat16(f));
        break;
      case DType::kF16:
        v = ToFloat(tensor.values<Float16>()[i] = ToFloat16(f));
        break;
      default:
        break;
    }
  }
  return tensor;
}

inline std::vector<double> ToDoubles(const Tensor& tensor) {
  std::vector<double> result(static_cast<size_t>(tensor.size()));
  for (size_t i = 0; i < result.size(); ++i) switch (tensor.dtype()) {
      case DType::kF32:
        result[i] = tensor.values<float>()[i];
        break;
      case DType::kF64:
        result[i] = tensor.values<double>()[i];
        break;
      case DType::kBF16:
        result[i] = ToFloat(tensor.values<BFloat16>()[i]);
        break;
      case DType::kF16:
        result[i] = ToFloat(tensor.values<Float16>()[i]);
        break;
      default:
        break;
    }
  return result;
}

inline std::vector<double> Normals(int64_t size, uint64_t seed, double mean, double deviation) {
  Random random(seed);
  std::vector<double> values(static_cast<size_t>(size));
  for (double& v : values) v = mean + deviation * random.Normal();
  return values;
}

// A case with data: what goes in as tensors, and the same values as doubles.
struct Problem {
  Case test;
  std::vector<double> x, gamma, beta, dy;
  Tensor x_tensor, gamma_tensor, beta_tensor, dy_tensor;

  explicit Problem(const Case& c, std::vector<double> values = {}, uint64_t seed = 1)
      : test(c), x(std::move(values)) {
    std::vector<Axis> axes;
    for (const Axis& axis : c.layout.axes())
      if (axis.label & c.spec.affine) axes.push_back(axis);
    const Layout parameters(axes);
    if (x.empty()) x = Normals(c.layout.size(), seed, 3, 2);
    gamma = Normals(parameters.size(), seed + 1, 1, 0.5);
    beta = Normals(parameters.size(), seed + 2, 0, 1);
    dy = Normals(c.layout.size(), seed + 3, 0.5, 1);
    x_tensor = MakeTensor(c.layout, c.dtype, x);
    dy_tensor = MakeTensor(c.layout, c.dtype, dy);
    gamma_tensor = MakeTensor(parameters, ParameterDType(c.dtype), gamma);
    beta_tensor = MakeTensor(parameters, ParameterDType(c.dtype), beta);
  }
  // Adds a part that all dy have in common, as that of a loss with a mean in it.
  void AddToDy(double common) {
    for (double& v : dy) v += common;
    SetDy(std::move(dy));
  }
  void SetDy(std::vector<double> values) {
    dy = std::move(values);
    dy_tensor = MakeTensor(test.layout, test.dtype, dy);
  }
  // Of a backward pass after `forward`, but for what it writes.
  Normalization::BackwardArgs BackwardArgs(const NormResult& forward) const {
    return {.x = x_tensor.data(),
            .dy = dy_tensor.data(),
            .gamma = gamma_tensor.data(),
            .beta = beta_tensor.data(),
            .mean = forward.mean.data(),
            .rstd = forward.rstd.data()};
  }
  reference::Inputs inputs(bool relu = false, double epsilon = 1e-5) const {
    return {test.spec, test.layout, x, gamma, beta, epsilon, relu};
  }
};

// Half of the distance between 1 and the next number of the arithmetic's type.
inline double UnitRoundoff(DType dtype) { return dtype == DType::kF64 ? 0x1p-53 : 0x1p-24; }

// What every bound of the contract is a multiple of.
inline double BoundUnit(DType dtype) {
  return (dtype == DType::kF64 ? 8 : 4) * UnitRoundoff(dtype);
}

// Half the distance between neighbours in `dtype` around y: what rounding to a narrow type may
// cost.
inline double StorageError(DType dtype, double y) {
  const int exponent = std::ilogb(std::abs(y) * (1 + 1e-6));
  if (dtype == DType::kBF16) return y == 0 ? 0 : std::ldexp(1.0, exponent - 8);
  if (dtype == DType::kF16) return y == 0 ? 0 : std::ldexp(1.0, std::max(exponent, -14) - 11);
  return 0;
}

inline double RstdOf(const NormSpec& spec, double variance, double epsilon) {
  return spec.divisor == NormDivisor::kNone ? 1 : 1 / std::sqrt(variance + epsilon);
}

// How large a xhat is that lies a deviation from the mean, for each statistic: the bounds are those
// of xhat as it would be divided by the deviation, in this unit.
inline std::vector<double> XhatUnits(const reference::Inputs& in) {
  NormSpec spec = in.spec;
  spec.divisor = NormDivisor::kDeviation;
  const auto deviation = reference::ComputeStatistics({spec, in.layout, in.x, in.gamma, in.beta});
  const auto count = static_cast<double>(in.layout.SizeOf(in.spec.reduce));
  std::vector<double> units(deviation.variance.size(), 1);
  for (size_t s = 0; s < units.size(); ++s) {
    if (in.spec.divisor == NormDivisor::kNorm) units[s] = 1 / std::sqrt(count);
    if (in.spec.divisor == NormDivisor::kNone)
      units[s] = std::sqrt(deviation.variance[s] + in.epsilon);
  }
  return units;
}

// The largest |y - exact| as a fraction of the contract's bound,
// 4 u (|gamma| (1 + |xhat|) + |beta|), of f64 8 u, plus the rounding of a narrow type, with
// XhatUnits for 1.
inline double WorstForwardFraction(const Problem& problem, const Tensor& y, bool relu = false,
                                   double epsilon = 1e-5) {
  const auto in = problem.inputs(relu, epsilon);
  const auto statistics = reference::ComputeStatistics(in);
  const auto exact = reference::Forward(in, statistics);
  const auto got = ToDoubles(y);
  const auto& test = problem.test;
  const auto stat = reference::IndexOver(test.layout, static_cast<Dims>(~test.spec.reduce));
  const auto param = reference::IndexOver(test.layout, test.spec.affine);
  const auto units = XhatUnits(in);
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const auto s = static_cast<size_t>(stat[i]), p = static_cast<size_t>(param[i]);
    const double mean = test.spec.center ? statistics.mean[s] : 0;
    const double rstd = RstdOf(test.spec, statistics.variance[s], epsilon);
    const double xhat = (problem.x[i] - mean) * rstd;
    // In f64 the mean itself is rounded, to 2^-53 of its size.
    const double of_mean = test.dtype == DType::kF64 ? std::abs(mean) * rstd : 0;
    const double bound = BoundUnit(test.dtype) *
                             (std::abs(problem.gamma[p]) * (units[s] + std::abs(xhat) + of_mean) +
                              std::abs(problem.beta[p])) +
                         StorageError(test.dtype, exact[i]);
    const double error = std::abs(got[i] - exact[i]);
    worst =
        std::max(worst, error == error ? error / bound : std::numeric_limits<double>::infinity());
  }
  return worst;
}

// The largest errors of gradients as fractions of the contract's bounds, with w = gamma * dy and
// spread = 1 + |xhat|; 4 u are 8 u of f64:
//   dx      4 u rstd (|w| + E|w| + spread E[|w| spread])   plus the rounding of a narrow type
//   dgamma  4 u sum(|dy| spread)                           dbeta  4 u sum|dy|
// In f64 the mean is rounded too, to 2^-53 of its size: spread = (1 + |xhat|) (1 + |mean| rstd).
// Here xhat is in XhatUnits, and nothing of dx goes with it where there is no divisor.
struct GradientFractions {
  double dx = 0, dgamma = 0, dbeta = 0;

  void Add(const GradientFractions& other) {
    dx = std::max(dx, other.dx);
    dgamma = std::max(dgamma, other.dgamma);
    dbeta = std::max(dbeta, other.dbeta);
  }
  double Largest() const { return std::max({dx, dgamma, dbeta}); }
};

// Whether a part that all dy have in common must not show in the errors: statistics are centered
// and have one parameter each, and the arithmetic is f32.
inline bool HidesCommonPart(const Case& test) {
  if (!test.spec.center || test.dtype == DType::kF64) return false;
  const auto axes = test.layout.axes();
  return std::none_of(axes.begin(), axes.end(), [&](const Axis& axis) {
    return (axis.label & test.spec.affine & test.spec.reduce) && axis.size > 1;
  });
}

// `common` is what of dy must not show: dy - common stands for dy in the bounds, but for a rounding
// of dbeta itself.
inline GradientFractions WorstGradientFractions(const Problem& problem,
                                                const NormGradients& gradients, double common = 0) {
  const auto in = problem.inputs();
  const auto& test = problem.test;
  const auto statistics = reference::ComputeStatistics(in);
  const auto exact = reference::Backward(in, statistics, problem.dy);
  const auto stat = reference::IndexOver(test.layout, static_cast<Dims>(~test.spec.reduce));
  const auto param = reference::IndexOver(test.layout, test.spec.affine);
  const size_t n = problem.x.size(), num_stat = statistics.mean.size();
  const double unit = BoundUnit(test.dtype);
  std::vector<double> spread(n), w(n), rstd(num_stat), mean_w(num_stat), mean_spread(num_stat);
  std::vector<double> sum_spread(problem.gamma.size()), sum_dy(problem.gamma.size());
  for (size_t s = 0; s < num_stat; ++s)
    rstd[s] = RstdOf(test.spec, statistics.variance[s], in.epsilon);
  const auto units = XhatUnits(in);
  const double of_rstd = test.spec.divisor == NormDivisor::kNone ? 0 : 1;
  const auto count = static_cast<double>(n) / static_cast<double>(std::max<size_t>(1, num_stat));
  for (size_t i = 0; i < n; ++i) {
    const auto s = static_cast<size_t>(stat[i]), p = static_cast<size_t>(param[i]);
    const double mean = test.spec.center ? statistics.mean[s] : 0;
    spread[i] = 1 + std::abs(problem.x[i] - mean) * rstd[s] / units[s];
    if (test.dtype == DType::kF64) spread[i] *= 1 + std::abs(mean) * rstd[s] / units[s];
    const double dy = std::abs(problem.dy[i] - common), gamma = std::abs(problem.gamma[p]);
    // The mean of x is a f64, here and in the oracle: what it is off by meets all of dy.
    const double of_mean = common == 0 ? 0 : 0x1p-53 / unit * (1 + std::abs(mean) * rstd[s]);
    const double met = of_mean * std::abs(problem.dy[i]);
    w[i] = gamma * dy;
    mean_w[s] += w[i] / count;
    mean_spread[s] += (w[i] * spread[i] + gamma * met) / count;
    sum_spread[p] += (dy * spread[i] + met) * units[s];
    sum_dy[p] += dy;
  }
  const auto fraction = [](double got, double expected, double bound) {
    const double error = std::abs(got - expected);
    return error <= bound ? error / std::max(bound, 1e-300)
                          : (error == error ? error / bound : HUGE_VAL);
  };
  GradientFractions worst;
  const auto dx = ToDoubles(gradients.dx);
  for (size_t i = 0; i < n; ++i) {
    const auto s = static_cast<size_t>(stat[i]);
    const double bound = unit * rstd[s] * (w[i] + mean_w[s] + of_rstd * spread[i] * mean_spread[s]);
    worst.dx = std::max(
        worst.dx, fraction(dx[i], exact.dx[i], bound + StorageError(test.dtype, exact.dx[i])));
  }
  const auto dgamma = ToDoubles(gradients.dgamma), dbeta = ToDoubles(gradients.dbeta);
  for (size_t p = 0; p < dgamma.size(); ++p) {
    worst.dgamma =
        std::max(worst.dgamma, fraction(dgamma[p], exact.dgamma[p], unit * sum_spread[p]));
    const double rounded = common == 0 ? 0 : UnitRoundoff(test.dtype) * std::abs(exact.dbeta[p]);
    worst.dbeta =
        std::max(worst.dbeta, fraction(dbeta[p], exact.dbeta[p], unit * sum_dy[p] + rounded));
  }
  return worst;
}

}  // namespace normkit::cases
