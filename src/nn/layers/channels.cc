#include "src/nn/layers/channels.h"

#include "src/nn/properties.h"
#include "src/ops/ops.h"

namespace normkit {
namespace {

// A parameter that begins at one number.
Value AddNumbers(Graph& graph, const char* name, int64_t size, double begin,
                 double learn_rate_factor, double l2_factor) {
  return graph.AddParameter({name,
                             {size},
                             [begin](std::span<float> values, Random&) {
                               std::ranges::fill(values, static_cast<float>(begin));
                             },
                             true,
                             learn_rate_factor,
                             l2_factor});
}

int64_t ChannelsOf(const Layer& layer, const Graph& graph, std::span<const Value> inputs) {
  const Layout& x = OnlyInput(layer, graph, inputs);
  if (!x.Has(kC) || x.axes().back().label != kC)
    FailLayer(layer, "input is {}, expected channels last", x.ToString());
  return x.channels();
}

}  // namespace

PreluLayer::PreluLayer(const PreluOptions& options) : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> PreluLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const PreluOptions& o = options_;
  const Value alpha = AddNumbers(graph, "alpha", ChannelsOf(*this, graph, inputs), o.alpha,
                                 o.alpha_learn_rate_factor, o.alpha_l2_factor);
  return graph.AddNode(ops::ParametricRelu(), {inputs[0], alpha});
}

std::string PreluLayer::Description() const {
  return fmt::format("a slope a channel, from {}", options_.alpha);
}

LayerScaleLayer::LayerScaleLayer(const LayerScaleOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> LayerScaleLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const LayerScaleOptions& o = options_;
  const Value scale = AddNumbers(graph, "scale", ChannelsOf(*this, graph, inputs), o.scale,
                                 o.scale_learn_rate_factor, o.scale_l2_factor);
  return graph.AddNode(ops::ChannelScale(), {inputs[0], scale});
}

std::string LayerScaleLayer::Description() const {
  return fmt::format("a scale a channel, from {}", options_.scale);
}

DynamicTanhLayer::DynamicTanhLayer(const DynamicTanhOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> DynamicTanhLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const DynamicTanhOptions& o = options_;
  const int64_t channels = ChannelsOf(*this, graph, inputs);
  const Value alpha = AddNumbers(graph, "alpha", 1, o.alpha, o.alpha_learn_rate_factor,
                                 o.alpha_l2_factor),
              scale = AddNumbers(graph, "scale", channels, 1, o.scale_learn_rate_factor,
                                 o.scale_l2_factor),
              offset = AddNumbers(graph, "offset", channels, 0, o.offset_learn_rate_factor,
                                  o.offset_l2_factor);
  return graph.AddNode(ops::DynamicTanh(), {inputs[0], alpha, scale, offset});
}

std::string DynamicTanhLayer::Description() const {
  return fmt::format("alpha from {}", options_.alpha);
}

CrossChannelLayer::CrossChannelLayer(const CrossChannelNormalizationOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> CrossChannelLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  ChannelsOf(*this, graph, inputs);
  const CrossChannelNormalizationOptions& o = options_;
  return graph.AddNode(
      ops::CrossChannelNormalization({o.window_channel_size, o.alpha, o.beta, o.k}), {inputs[0]});
}

std::string CrossChannelLayer::Description() const {
  const CrossChannelNormalizationOptions& o = options_;
  return fmt::format("{} channels, alpha {}, beta {}, k {}", o.window_channel_size, o.alpha, o.beta,
                     o.k);
}

LayerPtr Prelu(const PreluOptions& options) { return std::make_shared<PreluLayer>(options); }
LayerPtr LayerScale(const LayerScaleOptions& options) {
  return std::make_shared<LayerScaleLayer>(options);
}
LayerPtr DynamicTanh(const DynamicTanhOptions& options) {
  return std::make_shared<DynamicTanhLayer>(options);
}
LayerPtr CrossChannelNormalization(const CrossChannelNormalizationOptions& options) {
  return std::make_shared<CrossChannelLayer>(options);
}

}  // namespace normkit
