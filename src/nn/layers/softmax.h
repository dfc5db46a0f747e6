// y = exp(x) / sum over channels of exp(x).
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class SoftmaxLayer : public Layer {
 public:
  using Layer::Layer;
  std::string_view type() const override { return "softmax"; }
  std::string_view short_name() const override { return "softmax"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::string Description() const override { return "over channels"; }
};

}  // namespace normkit
