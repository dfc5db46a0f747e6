// The mean of each channel of each image: BSSC [B,1,1,C].
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class GlobalAveragePooling2dLayer : public Layer {
 public:
  using Layer::Layer;
  std::string_view type() const override { return "global average pooling 2-D"; }
  std::string_view short_name() const override { return "gap"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
};

}  // namespace normkit
