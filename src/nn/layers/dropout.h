// In training an element is zero with a given probability, and the others grow by 1 / (1 - p), so
// that the expectation stays (Srivastava et al. 2014, inverted). Otherwise y = x.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class DropoutLayer : public Layer {
 public:
  explicit DropoutLayer(const DropoutOptions& options);
  const DropoutOptions& options() const { return options_; }
  std::string_view type() const override { return "dropout"; }
  std::string_view short_name() const override { return "dropout"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::string Description() const override;

 private:
  DropoutOptions options_;
};

}  // namespace normkit
