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
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  FullyConnectedOptions options_;
};

}  // namespace normkit
