#include "src/nn/network_chain.h"

namespace normkit {
namespace {

// NormChoice::Kind is NormKind behind kNone.
static_assert(NormChoice::kBatch == 1 &&
              NormChoice::kGroupRms == 1 + static_cast<int>(NormKind::kGroupRms));

LayerPtr InputFor(const NetworkPurpose& purpose) {
  constexpr InputNormalization kZscore = InputNormalization::kZscore;
  if (purpose.sequences) return SequenceInput(StepsFor(purpose, "input", kZscore));
  if (purpose.num_features > 0)
    return FeatureInput(
        {.name = "input", .num_features = purpose.num_features, .normalization = kZscore});
  if (purpose.input_depth > 0) {
    const auto& [height, width, channels] = purpose.input_size;
    return Image3dInput({.name = "input",
                         .input_size = {purpose.input_depth, height, width, channels},
                         .normalization = kZscore});
  }
  return ImageInput({.name = "input", .input_size = purpose.input_size, .normalization = kZscore});
}

}  // namespace

SequenceInputOptions StepsFor(const NetworkPurpose& purpose, const std::string& name,
                              InputNormalization normalization) {
  SequenceInputOptions options{
      .name = name, .num_features = purpose.num_features, .normalization = normalization};
  if (!purpose.sequences) return options;
  options.depth = purpose.input_depth;
  options.height = purpose.input_size[0];
  options.width = purpose.input_size[1];
  return options;
}

const NormKindRow& RowOf(const NormChoice& norm) {
  return RowOf(static_cast<NormKind>(norm.kind - 1));
}

Chain::Chain(const NetworkPurpose& purpose, Initializer::Kind weights)
    : purpose_(purpose), weights_(weights) {
  graph.Add(InputFor(purpose));
}

Value Chain::Convolution(const std::string& number, int64_t size, int64_t filters, int64_t stride,
                         Value input, Padding padding, bool silent) {
  const bool zeros = silent && purpose_.norm.kind == NormChoice::kNone;
  const size_t dims = purpose_.input_depth > 0 ? 3 : 2;
  const ConvolutionOptions options{.name = "conv" + number,
                                   .filter_size = std::vector<int64_t>(dims, size),
                                   .num_filters = filters,
                                   .stride = std::vector<int64_t>(dims, stride),
                                   .padding = padding,
                                   .bias = NeedsBias(),
                                   .weights_initializer = zeros ? Initializer::kZeros : weights_};
  const Value value =
      graph.Add(dims == 3 ? Convolution3d(options) : Convolution2d(options), {input});
  return Norm(number, value, silent ? Initializer::kZeros : Initializer::kOnes);
}

Value Chain::FullyConnectedNorm(const std::string& number, int64_t outputs) {
  graph.Add(FullyConnected({.name = "fc" + number, .output_size = outputs, .bias = NeedsBias()}));
  return Norm(number, graph.output());
}

Value Chain::Norm(const std::string& number, Value input, const Initializer& scale) {
  const LayerPtr norm = MakeNorm(purpose_.norm, "norm" + number, scale);
  return norm ? graph.Add(norm, {input}) : input;
}

bool Chain::NeedsBias() const {
  return purpose_.norm.kind == NormChoice::kNone || !RowOf(purpose_.norm).has_offset;
}

Graph Chain::Answer(const std::string& number, const Initializer& weights) {
  const int64_t targets = purpose_.num_targets;
  graph.Add(FullyConnected({.name = "fc" + number,
                            .output_size = targets > 0 ? targets : purpose_.num_classes,
                            .weights_initializer = weights}));
  if (targets == 0) graph.Add(Softmax("softmax"));
  return std::move(graph);
}

}  // namespace normkit
