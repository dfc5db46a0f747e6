// y = 1 / (1 + exp(-x)).
#pragma once

#include <cmath>

#include "src/nn/layers/elementwise.h"

namespace normkit {

struct SigmoidFunction {
  static constexpr std::string_view kType = "sigmoid", kShortName = "sigmoid";
  static constexpr bool kGradientReadsOutput = true;
  float Map(float x) const { return 1 / (1 + std::exp(-x)); }
  float Gradient(float dy, float y) const { return dy * (y * (1 - y)); }
};

class SigmoidLayer : public ElementwiseLayer<SigmoidFunction> {
 public:
  explicit SigmoidLayer(std::string name) : ElementwiseLayer(std::move(name), {}) {}
};

}  // namespace normkit
