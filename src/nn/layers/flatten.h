// Images to features, in the order C, S, S of ONNX: a network means the same in both orders.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class FlattenLayer : public Layer {
 public:
  using Layer::Layer;
  std::string_view type() const override { return "flatten"; }
  std::string_view short_name() const override { return "flatten"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
};

}  // namespace normkit
