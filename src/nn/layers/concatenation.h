// Inputs one after the other along the channels.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class ConcatenationLayer : public Layer {
 public:
  explicit ConcatenationLayer(const ConcatenationOptions& options);
  const ConcatenationOptions& options() const { return options_; }
  std::string_view type() const override { return "concatenation"; }
  std::string_view short_name() const override { return "concat"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::string Description() const override;

 private:
  ConcatenationOptions options_;
};

}  // namespace normkit
