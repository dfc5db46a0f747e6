// What a case may be off by (docs/numerics.md), and how much of that it is.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "src/norm/case_data.h"

namespace normkit::cases {

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

// z, what the activation is of, and the contract's bound of what the kernels' is off,
// 4 u (|gamma| (1 + |xhat|) + |beta|), of f64 8 u, with XhatUnits for 1.
struct ExactForward {
  std::vector<double> z, off;
};

inline ExactForward ForwardOf(const Problem& problem, double epsilon) {
  const auto in = problem.inputs(epsilon);
  const auto statistics = reference::ComputeStatistics(in);
  const auto& test = problem.test;
  const auto stat = reference::IndexOver(test.layout, static_cast<Dims>(~test.spec.reduce));
  const auto param = reference::IndexOver(test.layout, problem.spec.affine);
  const auto units = XhatUnits(in);
  ExactForward result{reference::Forward(in, statistics), {}};
  for (size_t i = 0; i < problem.x.size(); ++i) {
    const auto s = static_cast<size_t>(stat[i]), p = static_cast<size_t>(param[i]);
    const double mean = test.spec.center ? statistics.mean[s] : 0;
    const double rstd = RstdOf(test.spec, statistics.variance[s], epsilon);
    const double xhat = (problem.x[i] - mean) * rstd;
    // In f64 the mean itself is rounded, to 2^-53 of its size.
    const double of_mean = test.dtype == DType::kF64 ? std::abs(mean) * rstd : 0;
    result.off.push_back(BoundUnit(test.dtype) *
                         (std::abs(problem.gamma[p]) * (units[s] + std::abs(xhat) + of_mean) +
                          std::abs(problem.beta[p])));
  }
  return result;
}

// f at z, and how far from there it is at z - off and z + off at most.
struct Ranging {
  double value, off;
};
template <class F>
Ranging Around(double z, double off, const F& f) {
  const auto at = [&](double v) { return static_cast<double>(f(static_cast<long double>(v))); };
  const double value = at(z);
  return {value, std::max(std::abs(at(z - off) - value), std::abs(at(z + off) - value))};
}

// The largest |y - exact| as a fraction of the bound: that of z through the activation, its own,
// and the rounding of a narrow type.
inline double WorstForwardFraction(const Problem& problem, const Tensor& y, double epsilon = 1e-5) {
  const ExactForward exact = ForwardOf(problem, epsilon);
  const Case& test = problem.test;
  const ActivationBound& of_activation = BoundOf(test.activation);
  const auto got = ToDoubles(y);
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double z = exact.z[i];
    Ranging expected{z, exact.off[i]};
    if (test.activation != Activation::kNone)
      expected = Around(z, exact.off[i],
                        [&](long double v) { return ExactlyActivated(test.activation, v); });
    const double bound = expected.off + StorageError(test.dtype, expected.value) +
                         UnitRoundoff(test.dtype) * of_activation.value * (1 + std::abs(z));
    const double error = std::abs(got[i] - expected.value);
    worst =
        std::max(worst, error == error ? error / bound : std::numeric_limits<double>::infinity());
  }
  return worst;
}

// What of dy passes the activation, and what the kernels' may be off: z's error through the
// derivative, that of the derivative, a product, and a rounding to the array's type.
struct PassedGradient {
  std::vector<double> dz, off;
};

inline PassedGradient PassedOf(const Problem& problem) {
  const size_t n = problem.dy.size();
  const Case& test = problem.test;
  if (test.activation == Activation::kNone) return {problem.dy, std::vector<double>(n)};
  const double u = UnitRoundoff(test.dtype), of_slope = u * BoundOf(test.activation).slope;
  const ExactForward exact = ForwardOf(problem, 1e-5);
  PassedGradient passed;
  for (size_t i = 0; i < n; ++i) {
    const Ranging slope = Around(exact.z[i], exact.off[i],
                                 [&](long double v) { return ExactSlope(test.activation, v); });
    const double dz = passed.dz.emplace_back(problem.dy[i] * slope.value);
    passed.off.push_back(std::abs(problem.dy[i]) * (slope.off + of_slope) + u * std::abs(dz) +
                         StorageError(test.dtype, dz));
  }
  return passed;
}

// The largest errors of gradients as fractions of the contract's bounds, with w = gamma * dy and
// spread = 1 + |xhat|; 4 u are 8 u of f64:
//   dx      4 u rstd (|w| + E|w| + spread E[|w| spread])   plus the rounding of a narrow type
//   dgamma  4 u sum(|dy| spread)                           dbeta  4 u sum|dy|
// and `beside` times the largest of what is added up there, which the contract has three times,
// where dy is what passes the activation; what that is off comes back as dy / 4 u would.
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
    return (axis.label & test.Spec().affine & test.spec.reduce) && axis.size > 1;
  });
}

// `common` is what of dy must not show: dy - common stands for dy in the bounds, but for a rounding
// of dbeta itself.
inline GradientFractions WorstGradientFractions(const Problem& problem,
                                                const NormGradients& gradients, double common = 0,
                                                double beside = 0) {
  const auto in = problem.inputs();
  const auto& test = problem.test;
  const auto statistics = reference::ComputeStatistics(in);
  const PassedGradient passed = PassedOf(problem);
  const auto exact = reference::Backward(in, statistics, passed.dz);
  const auto stat = reference::IndexOver(test.layout, static_cast<Dims>(~test.spec.reduce));
  const auto param = reference::IndexOver(test.layout, in.spec.affine);
  const size_t n = problem.x.size(), num_stat = statistics.mean.size();
  const double unit = BoundUnit(test.dtype);
  std::vector<double> spread(n), w(n), rstd(num_stat), mean_w(num_stat), mean_spread(num_stat);
  std::vector<double> sum_spread(problem.gamma.size()), sum_dy(problem.gamma.size());
  std::vector<double> most_spread(problem.gamma.size()), most_dy(problem.gamma.size());
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
    const double dy = std::abs(passed.dz[i] - common) + passed.off[i] / unit,
                 gamma = std::abs(problem.gamma[p]);
    // The mean of x is a f64, here and in the oracle: what it is off by meets all of dy.
    const double of_mean = common == 0 ? 0 : 0x1p-53 / unit * (1 + std::abs(mean) * rstd[s]);
    const double met = of_mean * std::abs(problem.dy[i]);
    w[i] = gamma * dy;
    mean_w[s] += w[i] / count;
    mean_spread[s] += (w[i] * spread[i] + gamma * met) / count;
    const double term = (dy * spread[i] + met) * units[s];
    sum_spread[p] += term, most_spread[p] = std::max(most_spread[p], term);
    sum_dy[p] += dy, most_dy[p] = std::max(most_dy[p], dy);
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
    const double of_dgamma = unit * (sum_spread[p] + beside * most_spread[p]);
    const double of_dbeta = unit * (sum_dy[p] + beside * most_dy[p]);
    worst.dgamma = std::max(worst.dgamma, fraction(dgamma[p], exact.dgamma[p], of_dgamma));
    const double rounded = common == 0 ? 0 : UnitRoundoff(test.dtype) * std::abs(exact.dbeta[p]);
    worst.dbeta = std::max(worst.dbeta, fraction(dbeta[p], exact.dbeta[p], of_dbeta + rounded));
  }
  return worst;
}

}  // namespace normkit::cases
