// Activations for the tests: all of them, and each with its derivative in long double.
#pragma once

#include <cmath>
#include <numbers>

#include "normkit/norm/normalization.h"

namespace normkit::cases {

inline constexpr Activation kActivations[] = {
    Activation::kNone,     Activation::kRelu,    Activation::kLeakyRelu, Activation::kGelu,
    Activation::kGeluTanh, Activation::kSilu,    Activation::kSigmoid,   Activation::kHardSwish,
    Activation::kElu,      Activation::kSoftplus};
// Those that the backward pass computes again.
inline constexpr Activation kSmoothActivations[] = {
    Activation::kGelu,      Activation::kGeluTanh, Activation::kSilu,    Activation::kSigmoid,
    Activation::kHardSwish, Activation::kElu,      Activation::kSoftplus};
inline constexpr double kSlope = 0.25;  // of leaky ReLU
inline constexpr double kAlpha = 1.25;  // of ELU

inline NormOptions WithActivation(Activation activation) {
  return {.activation = activation, .negative_slope = kSlope, .activation_alpha = kAlpha};
}

// The largest error of the kernels' over u (1 + |z|), as docs/numerics.md states it; of slopes over
// u. By Activation.
struct ActivationBound {
  double value, slope;
};
inline constexpr ActivationBound kActivationBounds[] = {
    {0, 0}, {0, 0}, {1, 0}, {3, 6}, {4, 10}, {3.2, 6}, {2.2, 2.6}, {3, 3}, {2, 4}, {5, 2.2}};
inline const ActivationBound& BoundOf(Activation activation) {
  return kActivationBounds[static_cast<size_t>(activation)];
}

template <class Real>
Real ExactTanhArgument(Real z) {
  return std::sqrt(2 / std::numbers::pi_v<Real>) * (z + Real(0.044715L) * z * z * z);
}

// As the papers write it; z finite.
template <class Real>
Real ExactlyActivated(Activation activation, Real z) {
  switch (activation) {
    case Activation::kNone:
      return z;
    case Activation::kRelu:
      return z > 0 ? z : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? z : z * Real(kSlope);
    case Activation::kGelu:
      return z * std::erfc(-z / std::numbers::sqrt2_v<Real>) / 2;
    case Activation::kGeluTanh:
      return z * (1 + std::tanh(ExactTanhArgument(z))) / 2;
    case Activation::kSilu:
      return z / (1 + std::exp(-z));
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-z));
    case Activation::kHardSwish:
      return z * std::fmin(std::fmax(z + 3, Real(0)), Real(6)) / 6;
    case Activation::kElu:
      return z > 0 ? z : Real(kAlpha) * std::expm1(z);
    case Activation::kSoftplus:
      return z > 100 ? z : std::log1p(std::exp(z));
  }
  return z;
}

template <class Real>
Real ExactSlope(Activation activation, Real z) {
  const Real pi = std::numbers::pi_v<Real>, e = std::exp(-z);
  switch (activation) {
    case Activation::kNone:
      return 1;
    case Activation::kRelu:
      return z > 0 ? 1 : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? 1 : Real(kSlope);
    case Activation::kGelu:
      return std::erfc(-z / std::numbers::sqrt2_v<Real>) / 2 +
             z * std::exp(-z * z / 2) / std::sqrt(2 * pi);
    case Activation::kGeluTanh: {
      const Real t = std::tanh(ExactTanhArgument(z));
      return (1 + t) / 2 +
             z / 2 * (1 - t * t) * std::sqrt(2 / pi) * (1 + 3 * Real(0.044715L) * z * z);
    }
    case Activation::kSilu:
      return (1 + e + z * e) / ((1 + e) * (1 + e));
    case Activation::kSigmoid:
      return e / ((1 + e) * (1 + e));
    case Activation::kHardSwish:
      return z <= -3 ? 0 : z < 3 ? z / 3 + Real(0.5) : 1;
    case Activation::kElu:
      return z > 0 ? 1 : Real(kAlpha) * std::exp(z);
    case Activation::kSoftplus:
      return 1 / (1 + e);
  }
  return 1;
}

}  // namespace normkit::cases
