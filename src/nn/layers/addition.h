// y = x0 + x1 + ...
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class AdditionLayer : public Layer {
 public:
  explicit AdditionLayer(const AdditionOptions& options);
  const AdditionOptions& options() const { return options_; }
  std::string_view type() const override { return "addition"; }
  std::string_view short_name() const override { return "addition"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::unique_ptr<LayerOp> PrepareWithRelu(const Layout& x) const;
  std::string Description() const override;

 private:
  AdditionOptions options_;
};

}  // namespace normkit
