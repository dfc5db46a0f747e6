#include "src/nn/layers/convolution.h"

#include "src/nn/layers/weights.h"
#include "src/nn/layers/window.h"
#include "src/nn/properties.h"

namespace normkit {

ConvolutionLayer::ConvolutionLayer(const ConvolutionOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
  const size_t dims = options_.filter_size.size();
  if (dims < 3) options_.padding = FlatPadding(options.padding);
  SpreadSizes(*this, "stride", dims, options_.stride);
  SpreadSizes(*this, "dilation", dims, options_.dilation);
  if (options.num_filters % options.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of num_filters {}", options.num_groups,
              options.num_filters);
}

std::string_view ConvolutionLayer::type() const {
  constexpr std::string_view kTypes[] = {"convolution", "convolution 1-D", "convolution 2-D",
                                         "convolution 3-D"};
  const size_t dims = options_.filter_size.size();
  return kTypes[dims < std::size(kTypes) ? dims : 0];
}

ops::Window ConvolutionLayer::window() const {
  return {options_.filter_size, options_.stride, options_.dilation, options_.padding};
}

std::vector<Value> ConvolutionLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const Layout x = OnlySpace(*this, graph, inputs, options_.filter_size.size(), true);
  const int64_t in = x.channels();
  if (in % options_.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of the {} channels of x ({})",
              options_.num_groups, in, x.ToString());
  const int64_t channels = in / options_.num_groups, taps = Product(options_.filter_size);
  const int64_t fan_in = taps * channels;
  if (options_.weight_standardization && fan_in == 1)
    FailLayer(*this,
              "filters have 1 weight each, which weight_standardization makes 0, expected more "
              "(x is {}, num_groups {})",
              x.ToString(), options_.num_groups);
  const int64_t fan_out = taps * (options_.num_filters / options_.num_groups);
  std::vector<int64_t> shape{options_.num_filters, channels};
  shape.insert(shape.end(), options_.filter_size.begin(), options_.filter_size.end());
  std::vector<Value> reads = WithWeights(graph, inputs[0], options_, std::move(shape),
                                         options_.num_filters, fan_in, fan_out);
  if (options_.weight_standardization)
    reads[1] = graph.AddNode(ops::WeightStandardization(kStandardizationEpsilon), {reads[1]})[0];
  return graph.AddNode(ops::Convolution(window(), options_.num_groups), std::move(reads));
}

std::string ConvolutionLayer::Description() const {
  std::string text =
      fmt::format("{} filters {}", options_.num_filters,
                  DescribeWindow(options_.filter_size, options_.stride, options_.padding));
  if (Product(options_.dilation) != 1)
    text += fmt::format(", dilation {}", DescribeSizes(options_.dilation));
  if (options_.num_groups != 1) text += fmt::format(", {} groups", options_.num_groups);
  if (options_.weight_standardization) text += ", standardized weights";
  return options_.bias ? text : text + ", no bias";
}

LayerPtr Convolution(const ConvolutionOptions& options) {
  return std::make_shared<ConvolutionLayer>(options);
}

namespace {

template <size_t kDims>
LayerPtr WithWindowOf(const ConvolutionOptions& options) {
  const auto layer = std::make_shared<ConvolutionLayer>(WithDims<kDims>(options));
  CheckDims(*layer, "filter_size", layer->options().filter_size.size(), kDims);
  return layer;
}

}  // namespace

LayerPtr Convolution2d(const Convolution2dOptions& options) { return WithWindowOf<2>(options); }
LayerPtr Convolution3d(const Convolution3dOptions& options) { return WithWindowOf<3>(options); }

}  // namespace normkit
