#include "src/nn/layers/time_windows.h"

#include "src/nn/layers/weights.h"
#include "src/nn/layers/window.h"
#include "src/nn/properties.h"
#include "src/ops/time_ops.h"

namespace normkit {
namespace {

// Numbers have to keep the length as words do.
void CheckKeepsLength(const Layer& layer, const Padding& padding, int64_t all) {
  if (padding.same || padding.causal || padding.left + padding.right == all) return;
  FailLayer(layer,
            "padding is {} and {}, expected same, causal, or numbers that add up to {}: sequences "
            "keep their lengths",
            padding.left, padding.right, all);
}

std::string DescribeTimeWindow(int64_t size, const Padding& padding) {
  if (padding.same || padding.causal)
    return fmt::format("{}, padding {}", size, padding.same ? "same" : "causal");
  return fmt::format("{}, padding {} {}", size, padding.left, padding.right);
}

}  // namespace

int64_t ZerosInFront(const Padding& padding, int64_t all) {
  if (padding.same) return all / 2;
  return padding.causal ? all : padding.left;
}

Convolution1dLayer::Convolution1dLayer(const Convolution1dOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
  CheckKeepsLength(*this, options.padding, (options.filter_size - 1) * options.dilation);
  if (options.num_filters % options.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of num_filters {}", options.num_groups,
              options.num_filters);
}

std::vector<Value> Convolution1dLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const Convolution1dOptions& o = options_;
  const Layout x = OnlySteps(*this, graph, inputs);
  if (x.channels() % o.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of the {} channels of x ({})",
              o.num_groups, x.channels(), x.ToString());
  const int64_t channels = x.channels() / o.num_groups, fan_in = o.filter_size * channels,
                fan_out = o.filter_size * (o.num_filters / o.num_groups);
  std::vector<Value> reads =
      WithWeights(graph, inputs[0], o, {o.num_filters, channels, o.filter_size}, o.num_filters,
                  fan_in, fan_out);
  const int64_t before = ZerosInFront(o.padding, (o.filter_size - 1) * o.dilation);
  return graph.AddNode(ops::TimeConvolution(o.dilation, before, o.num_groups), std::move(reads));
}

std::string Convolution1dLayer::Description() const {
  const Convolution1dOptions& o = options_;
  std::string text =
      fmt::format("{} filters {}", o.num_filters, DescribeTimeWindow(o.filter_size, o.padding));
  if (o.dilation != 1) text += fmt::format(", dilation {}", o.dilation);
  if (o.num_groups != 1) text += fmt::format(", {} groups", o.num_groups);
  return o.bias ? text : text + ", no bias";
}

Pooling1dLayer::Pooling1dLayer(ops::Pool pool, const Pooling1dOptions& options)
    : Layer(options.name), pool_(pool), options_(options) {
  CheckProperties(*this, options);
  CheckKeepsLength(*this, options.padding, options.pool_size - 1);
}

std::string_view Pooling1dLayer::type() const {
  return pool_ == ops::Pool::kMax ? "max pooling 1-D" : "average pooling 1-D";
}

std::string_view Pooling1dLayer::short_name() const {
  return pool_ == ops::Pool::kMax ? "maxpool1d" : "avgpool1d";
}

std::vector<Value> Pooling1dLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  OnlyTime(*this, graph, inputs);
  const int64_t before = ZerosInFront(options_.padding, options_.pool_size - 1);
  return graph.AddNode(ops::TimeWindowPooling(pool_, options_.pool_size, before), {inputs[0]});
}

std::string Pooling1dLayer::Description() const {
  return DescribeTimeWindow(options_.pool_size, options_.padding);
}

LayerPtr Convolution1d(const Convolution1dOptions& options) {
  return std::make_shared<Convolution1dLayer>(options);
}

LayerPtr MaxPooling1d(const Pooling1dOptions& options) {
  return std::make_shared<Pooling1dLayer>(ops::Pool::kMax, options);
}

LayerPtr AveragePooling1d(const Pooling1dOptions& options) {
  return std::make_shared<Pooling1dLayer>(ops::Pool::kAverage, options);
}

}  // namespace normkit
