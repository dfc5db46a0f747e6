// Windows over the steps of sequences: convolution and pooling 1-D.
#pragma once

#include "src/nn/layers/common.h"
#include "src/ops/ops.h"

namespace normkit {

// weights [num_filters, C / num_groups, filter_size], bias [num_filters].
class Convolution1dLayer : public Layer {
 public:
  explicit Convolution1dLayer(const Convolution1dOptions& options);
  const Convolution1dOptions& options() const { return options_; }
  std::string_view type() const override { return "convolution 1-D"; }
  std::string_view short_name() const override { return "conv1d"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  Convolution1dOptions options_;
};

// Padding never wins a maximum, and counts as zeros in an average.
class Pooling1dLayer : public Layer {
 public:
  Pooling1dLayer(ops::Pool pool, const Pooling1dOptions& options);
  ops::Pool pool() const { return pool_; }
  const Pooling1dOptions& options() const { return options_; }
  std::string_view type() const override;
  std::string_view short_name() const override;
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ops::Pool pool_;
  Pooling1dOptions options_;
};

// How many zeros stand in front of a sequence, of the `all` that keep its length.
int64_t ZerosInFront(const Padding& padding, int64_t all);

}  // namespace normkit
