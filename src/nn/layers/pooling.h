// Maximum and average pooling 2-D.
#pragma once

#include "src/nn/layers/common.h"
#include "src/onednn/pooling.h"

namespace normkit {

// Padding never wins a maximum, and counts as zeros in an average (as in the toolbox).
class Pooling2dLayer : public Layer {
 public:
  Pooling2dLayer(PoolingKind kind, const Pooling2dOptions& options);
  PoolingKind kind() const { return kind_; }
  const Pooling2dOptions& options() const { return options_; }
  std::string_view type() const override;
  std::string_view short_name() const override;
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::string Description() const override;

 private:
  PoolingShape Shape(const Layout& x) const;
  PoolingKind kind_;
  Pooling2dOptions options_;
};

}  // namespace normkit
