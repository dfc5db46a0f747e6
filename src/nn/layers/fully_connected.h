// y = W x + b.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

// weights [output_size, C], bias [output_size].
class FullyConnectedLayer : public Layer {
 public:
  explicit FullyConnectedLayer(const FullyConnectedOptions& options);
  const FullyConnectedOptions& options() const { return options_; }
  std::string_view type() const override { return "fully connected"; }
  std::string_view short_name() const override { return "fc"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::vector<ParameterSpec> Parameters(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::string Description() const override;

 private:
  FullyConnectedOptions options_;
};

}  // namespace normkit
