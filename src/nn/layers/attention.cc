#include "src/nn/layers/attention.h"

#include <algorithm>

#include "src/nn/properties.h"
#include "src/ops/ops.h"
#include "src/ops/time_ops.h"

namespace normkit {
namespace {

void CheckHeads(const Layer& layer, const char* what, int64_t channels, int64_t heads) {
  if (channels % heads != 0)
    FailLayer(layer, "{} is {}, expected a multiple of the {} heads (num_heads)", what, channels,
              heads);
}

size_t SpaceOf(const Layout& x) {
  return static_cast<size_t>(
      std::ranges::count(x.axes(), kS, [](const Axis& axis) { return axis.label; }));
}

// Steps, or positions of pictures or volumes.
const Layout& OnlyRows(const Layer& layer, const Graph& graph, std::span<const Value> inputs) {
  const Layout& x = OnlyInput(layer, graph, inputs);
  if (x.packed()) return OnlySteps(layer, graph, inputs);
  if (x.format() != "BSSC" && x.format() != "BSSSC")
    FailLayer(layer,
              "input is {}, expected steps of features, TC [rows,channels], or positions of "
              "pictures or volumes, BSSC or BSSSC",
              x.ToString());
  return x;
}

}  // namespace

std::string_view Name(AttentionMask mask) { return NameOf(mask); }

SelfAttentionLayer::SelfAttentionLayer(const SelfAttentionOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
  CheckHeads(*this, "num_key_channels", options.num_key_channels, options.num_heads);
  CheckHeads(*this, "num_value_channels", options.num_value_channels, options.num_heads);
}

Value SelfAttentionLayer::Product(Graph& graph, Value x, const std::string& name,
                                  int64_t outputs) const {
  const SelfAttentionOptions& o = options_;
  const size_t space = SpaceOf(graph.layout(x));
  const int64_t in = graph.layout(x).channels();
  ops::OpPtr product =
      space > 0 ? ops::Convolution({.size = Space(space, 1)}, 1) : ops::MatrixProduct();
  std::vector<int64_t> shape{outputs, in};
  shape.resize(2 + space, 1);
  std::vector<Value> reads{x};
  reads.push_back(graph.AddParameter({name + "_weights", std::move(shape),
                                      MakeInitializer(o.weights_initializer, in, outputs), true,
                                      o.weight_learn_rate_factor, o.weight_l2_factor}));
  if (o.bias)
    reads.push_back(graph.AddParameter({name + "_bias",
                                        {outputs},
                                        MakeInitializer(o.bias_initializer, in, outputs),
                                        true,
                                        o.bias_learn_rate_factor,
                                        o.bias_l2_factor}));
  return graph.AddNode(std::move(product), std::move(reads))[0];
}

std::vector<Value> SelfAttentionLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const SelfAttentionOptions& o = options_;
  const Layout& x = OnlyRows(*this, graph, inputs);
  if (!x.packed() && o.attention_mask == AttentionMask::kCausal)
    FailLayer(*this, "attention_mask is causal, expected none: x has no time ({})", x.ToString());
  const int64_t channels = x.channels(),
                values = o.num_value_channels > 0 ? o.num_value_channels : o.num_key_channels;
  const Value query = Product(graph, inputs[0], "query", o.num_key_channels),
              key = Product(graph, inputs[0], "key", o.num_key_channels),
              value = Product(graph, inputs[0], "value", values);
  const ops::AttentionSettings settings{o.num_heads, o.attention_mask == AttentionMask::kCausal};
  const Value mixed = graph.AddNode(ops::Attention(settings), {query, key, value})[0];
  return {Product(graph, mixed, "output", o.output_size > 0 ? o.output_size : channels)};
}

std::string SelfAttentionLayer::Description() const {
  const SelfAttentionOptions& o = options_;
  std::string text = fmt::format("{} heads, {} key channels", o.num_heads, o.num_key_channels);
  if (o.num_value_channels > 0) text += fmt::format(", {} value channels", o.num_value_channels);
  if (o.output_size > 0) text += fmt::format(", {} outputs", o.output_size);
  if (o.attention_mask == AttentionMask::kCausal) text += ", causal";
  return o.bias ? text : text + ", no bias";
}

EmbeddingLayer::EmbeddingLayer(const EmbeddingOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> EmbeddingLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const Layout& x = OnlySteps(*this, graph, inputs);
  if (x.channels() != 1)
    FailLayer(*this, "input is {}, expected one channel of tokens", x.ToString());
  const EmbeddingOptions& o = options_;
  const Value table =
      graph.AddParameter({"weights",
                          {o.num_words, o.dimension},
                          MakeInitializer(o.weights_initializer, o.num_words, o.dimension),
                          true,
                          o.weight_learn_rate_factor,
                          o.weight_l2_factor});
  return graph.AddNode(ops::Embedding(Title(*this)), {inputs[0], table});
}

std::string EmbeddingLayer::Description() const {
  return fmt::format("{} words, {} channels", options_.num_words, options_.dimension);
}

PositionEmbeddingLayer::PositionEmbeddingLayer(const PositionEmbeddingOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> PositionEmbeddingLayer::Build(Graph& graph,
                                                 std::span<const Value> inputs) const {
  const Layout x = OnlyRows(*this, graph, inputs);
  const PositionEmbeddingOptions& o = options_;
  const int64_t channels = x.channels(), positions = x.WithBatch(1).size() / channels;
  if (!x.packed() && o.max_position != positions)
    FailLayer(*this, "max_position is {}, expected {} (positions of x, {})", o.max_position,
              positions, x.ToString());
  const Value table =
      graph.AddParameter({"weights",
                          {o.max_position, channels},
                          MakeInitializer(o.weights_initializer, o.max_position, channels),
                          true,
                          o.weight_learn_rate_factor,
                          o.weight_l2_factor});
  return graph.AddNode(ops::Positions(Title(*this), x), {inputs[0], table});
}

std::string PositionEmbeddingLayer::Description() const {
  return fmt::format("up to {} steps", options_.max_position);
}

std::vector<Value> SinusoidalLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const Layout& x = OnlySteps(*this, graph, inputs);
  return graph.AddNode(ops::Positions(Title(*this), x), {inputs[0]});
}

LayerPtr SelfAttention(const SelfAttentionOptions& options) {
  return std::make_shared<SelfAttentionLayer>(options);
}
LayerPtr Embedding(const EmbeddingOptions& options) {
  return std::make_shared<EmbeddingLayer>(options);
}
LayerPtr PositionEmbedding(const PositionEmbeddingOptions& options) {
  return std::make_shared<PositionEmbeddingLayer>(options);
}
LayerPtr SinusoidalPositionEncoding(const std::string& name) {
  return std::make_shared<SinusoidalLayer>(name);
}

}  // namespace normkit
