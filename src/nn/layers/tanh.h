// y = tanh(x).
#pragma once

#include <cmath>

#include "src/nn/layers/elementwise.h"

namespace normkit {

struct TanhFunction {
  static constexpr std::string_view kType = "tanh", kShortName = "tanh";
  static constexpr bool kGradientReadsOutput = true;
  float Map(float x) const { return std::tanh(x); }
  float Gradient(float dy, float y) const { return dy * (1 - y * y); }
};

class TanhLayer : public ElementwiseLayer<TanhFunction> {
 public:
  explicit TanhLayer(std::string name) : ElementwiseLayer(std::move(name), {}) {}
};

}  // namespace normkit
