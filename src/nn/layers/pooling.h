// Maximum and average pooling over images or volumes.
#pragma once

#include "src/nn/layers/common.h"
#include "src/ops/ops.h"

namespace normkit {

// Padding never wins a maximum, and counts as zeros in an average (as in the toolbox).
class PoolingLayer : public Layer {
 public:
  PoolingLayer(ops::Pool pool, const PoolingOptions& options);
  ops::Pool pool() const { return pool_; }
  const PoolingOptions& options() const { return options_; }
  ops::Window window() const;
  std::string_view type() const override;
  std::string_view short_name() const override;
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ops::Pool pool_;
  PoolingOptions options_;
};

}  // namespace normkit
