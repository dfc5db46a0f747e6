// y = x * Phi(x), Phi the distribution function of the standard normal (Hendrycks & Gimpel 2016),
// exactly, by erf.
#pragma once

#include <cmath>
#include <numbers>

#include "src/nn/layers/elementwise.h"

namespace normkit {

struct GeluFunction {
  static constexpr std::string_view kType = "GELU", kShortName = "gelu";
  static constexpr bool kGradientReadsOutput = false;
  static float Distribution(float x) {  // erfc, not 1 + erf: the lower tail keeps its digits
    return 0.5f * std::erfc(x * -std::numbers::sqrt2_v<float> / 2);
  }
  static float Density(float x) {
    constexpr float kScale = std::numbers::inv_sqrtpi_v<float> / std::numbers::sqrt2_v<float>;
    return kScale * std::exp(-0.5f * x * x);
  }
  float Map(float x) const { return x * Distribution(x); }
  float Gradient(float dy, float x) const { return dy * (Distribution(x) + x * Density(x)); }
};

class GeluLayer : public ElementwiseLayer<GeluFunction> {
 public:
  explicit GeluLayer(std::string name) : ElementwiseLayer(std::move(name), {}) {}
};

}  // namespace normkit
