// y = max(0, x).
#pragma once

#include "src/nn/layers/elementwise.h"

namespace normkit {

struct ReluFunction {
  static constexpr std::string_view kType = "ReLU", kShortName = "relu";
  static constexpr bool kGradientReadsOutput = true;
  float Map(float x) const { return x < 0 ? 0 : x; }  // NaN stays NaN
  float Gradient(float dy, float y) const { return y > 0 ? dy : 0; }
};

class ReluLayer : public ElementwiseLayer<ReluFunction> {
 public:
  explicit ReluLayer(std::string name) : ElementwiseLayer(std::move(name), {}) {}
};

}  // namespace normkit
