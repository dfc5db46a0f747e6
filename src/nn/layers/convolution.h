// Convolution 2-D.
#pragma once

#include "src/nn/layers/common.h"
#include "src/ops/ops.h"

namespace normkit {

// weights [num_filters, C / num_groups, height, width], bias [num_filters].
class Convolution2dLayer : public Layer {
 public:
  explicit Convolution2dLayer(const Convolution2dOptions& options);
  const Convolution2dOptions& options() const { return options_; }
  ops::Window window() const;
  std::string_view type() const override { return "convolution 2-D"; }
  std::string_view short_name() const override { return "conv"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  Convolution2dOptions options_;
};

}  // namespace normkit
