// Maximum and average pooling 2-D.
#pragma once

#include "src/nn/layers/common.h"
#include "src/ops/ops.h"

namespace normkit {

// Padding never wins a maximum, and counts as zeros in an average (as in the toolbox).
class Pooling2dLayer : public Layer {
 public:
  Pooling2dLayer(ops::Pool pool, const Pooling2dOptions& options);
  ops::Pool pool() const { return pool_; }
  const Pooling2dOptions& options() const { return options_; }
  ops::Window window() const;
  std::string_view type() const override;
  std::string_view short_name() const override;
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ops::Pool pool_;
  Pooling2dOptions options_;
};

}  // namespace normkit
