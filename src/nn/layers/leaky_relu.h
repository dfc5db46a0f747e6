// y = x where x > 0, scale * x elsewhere.
#pragma once

#include "src/nn/layers/elementwise.h"

namespace normkit {

struct LeakyReluFunction {
  static constexpr std::string_view kType = "leaky ReLU", kShortName = "leakyrelu";
  static constexpr bool kGradientReadsOutput = false;
  float scale;
  float Map(float x) const { return x > 0 ? x : scale * x; }
  float Gradient(float dy, float x) const { return dy * (x > 0 ? 1.f : scale); }
};

class LeakyReluLayer : public ElementwiseLayer<LeakyReluFunction> {
 public:
  explicit LeakyReluLayer(const LeakyReluOptions& options);
  const LeakyReluOptions& options() const { return options_; }
  std::string Description() const override;

 private:
  LeakyReluOptions options_;
};

}  // namespace normkit
