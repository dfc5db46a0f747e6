// Convolution over lines, images or volumes.
#pragma once

#include "src/nn/layers/common.h"
#include "src/ops/ops.h"

namespace normkit {

// Added to the variance of a filter.
inline constexpr double kStandardizationEpsilon = 1e-5;

// weights [num_filters, C / num_groups, filter size], bias [num_filters].
class ConvolutionLayer : public Layer {
 public:
  explicit ConvolutionLayer(const ConvolutionOptions& options);
  const ConvolutionOptions& options() const { return options_; }
  ops::Window window() const;
  std::string_view type() const override;
  std::string_view short_name() const override { return "conv"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ConvolutionOptions options_;
};

}  // namespace normkit
