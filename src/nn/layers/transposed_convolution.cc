#include "src/nn/layers/transposed_convolution.h"

#include "src/nn/layers/weights.h"
#include "src/nn/layers/window.h"
#include "src/nn/properties.h"

namespace normkit {

TransposedConvolutionLayer::TransposedConvolutionLayer(const TransposedConvolutionOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
  if (options.filter_size.size() < 3) options_.cropping = FlatPadding(options.cropping);
  SpreadSizes(*this, "stride", options_.filter_size.size(), options_.stride);
}

std::string_view TransposedConvolutionLayer::type() const {
  constexpr std::string_view kTypes[] = {"transposed convolution", "transposed convolution 1-D",
                                         "transposed convolution 2-D",
                                         "transposed convolution 3-D"};
  const size_t dims = options_.filter_size.size();
  return kTypes[dims < std::size(kTypes) ? dims : 0];
}

ops::Window TransposedConvolutionLayer::window() const {
  return {options_.filter_size, options_.stride, {}, options_.cropping};
}

std::vector<Value> TransposedConvolutionLayer::Build(Graph& graph,
                                                     std::span<const Value> inputs) const {
  const TransposedConvolutionOptions& o = options_;
  const int64_t in = OnlySpace(*this, graph, inputs, o.filter_size.size()).channels(),
                taps = Product(o.filter_size);
  // Of the windows of an output about one in as many as a stride has elements is there.
  const int64_t fan_in = std::max<int64_t>(1, taps * in / Product(o.stride)),
                fan_out = taps * o.num_filters;
  std::vector<int64_t> shape{in, o.num_filters};
  shape.insert(shape.end(), o.filter_size.begin(), o.filter_size.end());
  std::vector<Value> reads =
      WithWeights(graph, inputs[0], o, std::move(shape), o.num_filters, fan_in, fan_out);
  return graph.AddNode(ops::TransposedConvolution(window(), 1), std::move(reads));
}

std::string TransposedConvolutionLayer::Description() const {
  std::string text = DescribeWindow(options_.filter_size, options_.stride, options_.cropping);
  if (const size_t at = text.find("padding"); at != text.npos) text.replace(at, 7, "cropping");
  return fmt::format("{} filters {}{}", options_.num_filters, text,
                     options_.bias ? "" : ", no bias");
}

LayerPtr TransposedConvolution(const TransposedConvolutionOptions& options) {
  return std::make_shared<TransposedConvolutionLayer>(options);
}

namespace {

template <size_t kDims>
LayerPtr Spreading(const TransposedConvolutionOptions& options) {
  const auto layer = std::make_shared<TransposedConvolutionLayer>(WithDims<kDims>(options));
  CheckDims(*layer, "filter_size", layer->options().filter_size.size(), kDims);
  return layer;
}

}  // namespace

LayerPtr TransposedConvolution2d(const TransposedConvolutionOptions& options) {
  return Spreading<2>(options);
}

LayerPtr TransposedConvolution3d(const TransposedConvolutionOptions& options) {
  return Spreading<3>(options);
}

}  // namespace normkit
