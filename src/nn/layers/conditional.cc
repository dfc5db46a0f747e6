#include "src/nn/layers/conditional.h"

#include "src/nn/properties.h"
#include "src/ops/normalization.h"

namespace normkit {
namespace {

// x among the inputs, which have to be as many.
const Layout& NormalizedImage(const Layer& layer, const Graph& graph, std::span<const Value> inputs,
                              size_t count, std::string_view expected) {
  if (inputs.size() != count)
    FailLayer(layer, "reads {} values, expected {}: {}", inputs.size(), count, expected);
  const Layout& x = graph.layout(inputs[0]);
  if (x.format() != "BSSC")
    FailLayer(layer, "input is {}, expected images, BSSC [batch,height,width,channels]",
              x.ToString());
  return x;
}

std::vector<Value> Normalize(const Layer& layer, Graph& graph, double epsilon,
                             std::vector<Value> reads) {
  return graph.AddNode(
      ops::AdaptiveNormalization(kInstanceNorm, {.epsilon = epsilon, .name = Title(layer)}),
      std::move(reads));
}

}  // namespace

AdaptiveNormalizationLayer::AdaptiveNormalizationLayer(const AdaptiveNormalizationOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> AdaptiveNormalizationLayer::Build(Graph& graph,
                                                     std::span<const Value> inputs) const {
  const Layout& x =
      NormalizedImage(*this, graph, inputs, 3, "images, scale [B,C] and offset [B,C]");
  for (size_t i = 1; i < 3; ++i)
    if (const Layout& given = graph.layout(inputs[i]);
        given.format() != "BC" || given.channels() != x.channels())
      FailLayer(*this, "{} is {}, expected BC with {} channels, those of x ({})",
                i == 1 ? "scale" : "offset", given.ToString(), x.channels(), x.ToString());
  return Normalize(*this, graph, options_.epsilon, {inputs.begin(), inputs.end()});
}

std::string AdaptiveNormalizationLayer::Description() const {
  return fmt::format("epsilon {}", options_.epsilon);
}

ConditionalNormalizationLayer::ConditionalNormalizationLayer(
    const ConditionalNormalizationOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> ConditionalNormalizationLayer::Build(Graph& graph,
                                                        std::span<const Value> inputs) const {
  const int64_t styles = options_.num_styles,
                channels =
                    NormalizedImage(*this, graph, inputs, 2, "images and weights of the styles")
                        .channels();
  if (const Layout& given = graph.layout(inputs[1]);
      given.format() != "BC" || given.channels() != styles)
    FailLayer(*this, "weights of the styles are {}, expected BC with num_styles {} channels",
              given.ToString(), styles);
  std::vector<Value> reads{inputs[0]};
  const auto add = [&](const char* name, const Initializer& initializer, double learn_rate_factor,
                       double l2_factor) {
    const Value table = graph.AddParameter({name,
                                            {channels, styles},
                                            MakeInitializer(initializer, styles, channels),
                                            true,
                                            learn_rate_factor,
                                            l2_factor});
    reads.push_back(graph.AddNode(ops::MatrixProduct(), {inputs[1], table})[0]);
  };
  add("scale", options_.scale_initializer, options_.scale_learn_rate_factor,
      options_.scale_l2_factor);
  add("offset", options_.offset_initializer, options_.offset_learn_rate_factor,
      options_.offset_l2_factor);
  return Normalize(*this, graph, options_.epsilon, std::move(reads));
}

std::string ConditionalNormalizationLayer::Description() const {
  return fmt::format("{} styles, epsilon {}", options_.num_styles, options_.epsilon);
}

LayerPtr AdaptiveInstanceNormalization(const AdaptiveNormalizationOptions& options) {
  return std::make_shared<AdaptiveNormalizationLayer>(options);
}

LayerPtr ConditionalInstanceNormalization(const ConditionalNormalizationOptions& options) {
  return std::make_shared<ConditionalNormalizationLayer>(options);
}

}  // namespace normkit
