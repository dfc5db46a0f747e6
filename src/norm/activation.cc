#include "src/norm/activation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace normkit {
namespace {

constexpr double kRootTwoOverPi = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double kCubic = 0.044715;  // of GELU by tanh (Hendrycks & Gimpel 2016)
constexpr double kFar = 800;         // e^-kFar is 0

double Sigmoid(double z) {
  const double t = std::exp(-std::abs(z));
  return z < 0 ? t / (1 + t) : 1 / (1 + t);
}

// 0 where z is far below, not -inf * 0.
double Weighed(double z, double weight) { return std::max(z, -kFar) * weight; }

// tanh(a) = 2 sigmoid(2 a) - 1.
double TanhArgument(double z) { return 2 * kRootTwoOverPi * (z + kCubic * z * z * z); }

double Value(Activation activation, double parameter, double z) {
  switch (activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      return z <= 0 ? 0 : z;
    case Activation::kLeakyRelu:
      return z <= 0 ? z * parameter : z;
    case Activation::kGelu:
      return z < -1e30 ? 0 : z * (0.5 * std::erfc(z * -std::numbers::sqrt2 / 2));
    case Activation::kGeluTanh:
      return Weighed(z, Sigmoid(TanhArgument(z)));
    case Activation::kSilu:
      return Weighed(z, Sigmoid(z));
    case Activation::kSigmoid:
      return Sigmoid(z);
    case Activation::kHardSwish:
      return z <= -3 ? 0 : z >= 3 ? z : z * (z + 3) / 6;
    case Activation::kElu:
      return z <= 0 ? parameter * std::expm1(z) : z;
    case Activation::kSoftplus:
      return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
  }
  return z;
}

double Slope(Activation activation, double parameter, double z) {
  const double near = std::clamp(z, -kFar, kFar);
  switch (activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      return z <= 0 ? 0 : 1;
    case Activation::kLeakyRelu:
      return z <= 0 ? parameter : 1;
    case Activation::kGelu:
      return 0.5 * std::erfc(near * -std::numbers::sqrt2 / 2) +
             near * (std::exp(near * near / -2) * kRootTwoOverPi / 2);
    case Activation::kGeluTanh: {
      const double a = TanhArgument(near), s = Sigmoid(a);
      const double inner = 2 * kRootTwoOverPi * (1 + 3 * kCubic * near * near);
      return s + near * (s * Sigmoid(-a) * inner);
    }
    case Activation::kSilu:
      return Sigmoid(near) * (1 + near * Sigmoid(-near));
    case Activation::kSigmoid:
      return Sigmoid(z) * Sigmoid(-z);
    case Activation::kHardSwish:
      return z <= -3 ? 0 : z >= 3 ? 1 : z / 3 + 0.5;
    case Activation::kElu:
      return z <= 0 ? parameter * std::exp(z) : 1;
    case Activation::kSoftplus:
      return Sigmoid(z);
  }
  return 1;
}

}  // namespace

std::string_view Name(Activation activation) {
  constexpr std::string_view kNames[] = {"no activation", "ReLU",    "leaky ReLU", "GELU",
                                         "GELU (tanh)",   "SiLU",    "sigmoid",    "hard-swish",
                                         "ELU",           "softplus"};
  return kNames[static_cast<size_t>(activation)];
}

double ParameterOf(const NormOptions& options) {
  return options.activation == Activation::kElu ? options.activation_alpha : options.negative_slope;
}

double Activated(const NormOptions& options, double z) {
  ActivateValues(options.activation, ParameterOf(options), &z, 1);
  return z;
}

double ActivationSlope(const NormOptions& options, double z) {
  SlopesOfValues(options.activation, ParameterOf(options), &z, 1);
  return z;
}

void ActivateValues(Activation activation, double parameter, double* values, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (!std::isnan(values[i])) values[i] = Value(activation, parameter, values[i]);
}

void SlopesOfValues(Activation activation, double parameter, double* values, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (!std::isnan(values[i])) values[i] = Slope(activation, parameter, values[i]);
}

}  // namespace normkit
