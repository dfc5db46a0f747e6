// Transposed convolution over lines, images or volumes.
#pragma once

#include "src/nn/layers/common.h"
#include "src/ops/ops.h"

namespace normkit {

// weights [C, num_filters, filter size], bias [num_filters].
class TransposedConvolutionLayer : public Layer {
 public:
  explicit TransposedConvolutionLayer(const TransposedConvolutionOptions& options);
  const TransposedConvolutionOptions& options() const { return options_; }
  ops::Window window() const;
  std::string_view type() const override;
  std::string_view short_name() const override { return "transposedconv"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  TransposedConvolutionOptions options_;
};

}  // namespace normkit
