#include "src/nn/layers/input.h"

#include "src/nn/layers/common.h"
#include "src/nn/properties.h"
#include "src/ops/ops.h"

namespace normkit {

std::string_view Name(InputNormalization normalization) { return NameOf(normalization); }

InputNormalization ParseInputNormalization(std::string_view name) {
  return ParseNamed<InputNormalization>(name);
}

std::vector<Value> InputLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  if (!inputs.empty())
    FailLayer(*this, "{} inputs given, expected none: observations come in here", inputs.size());
  const Layout observation = Observation();
  const Value x = graph.AddInput({DType::kF32, observation});
  const auto add = [&](const char* name, Initializer::Kind kind) {
    return graph.AddParameter(
        {name, {observation.channels()}, MakeInitializer(kind, 1, 1), false, 0, 0});
  };
  const auto rescale = [&](ops::Rescale how, const char* first, const char* second) {
    const Value a = add(first, Initializer::kZeros), b = add(second, Initializer::kOnes);
    return graph.AddNode(ops::Rescaling(how), {x, a, b});
  };
  switch (normalization_) {
    case InputNormalization::kNone:
      break;
    case InputNormalization::kZerocenter:
      return graph.AddNode(ops::Rescaling(ops::Rescale::kSubtract),
                           {x, add("mean", Initializer::kZeros)});
    case InputNormalization::kZscore:
      return rescale(ops::Rescale::kStandardize, "mean", "std");
    case InputNormalization::kRescaleZeroOne:
      return rescale(ops::Rescale::kZeroOne, "min", "max");
    case InputNormalization::kRescaleSymmetric:
      return rescale(ops::Rescale::kSymmetric, "min", "max");
  }
  return {x};
}

std::string InputLayer::Description() const {
  const std::vector<int64_t> shape = Observation().shape();
  std::string text = fmt::format("{}", fmt::join(shape.begin() + 1, shape.end(), "x"));
  if (normalization_ != InputNormalization::kNone)
    text += fmt::format(", {}", Name(normalization_));
  return text;
}

ImageInputLayer::ImageInputLayer(const ImageInputOptions& options)
    : InputLayer(options.name, options.normalization), options_(options) {
  CheckProperties(*this, options);
}

Layout ImageInputLayer::Observation() const {
  return Layout({{kB, 1},
                 {kS, options_.input_size[0]},
                 {kS, options_.input_size[1]},
                 {kC, options_.input_size[2]}});
}

Image3dInputLayer::Image3dInputLayer(const Image3dInputOptions& options)
    : InputLayer(options.name, options.normalization), options_(options) {
  CheckProperties(*this, options);
}

Layout Image3dInputLayer::Observation() const {
  return Layout({{kB, 1},
                 {kS, options_.input_size[0]},
                 {kS, options_.input_size[1]},
                 {kS, options_.input_size[2]},
                 {kC, options_.input_size[3]}});
}

FeatureInputLayer::FeatureInputLayer(const FeatureInputOptions& options)
    : InputLayer(options.name, options.normalization), options_(options) {
  CheckProperties(*this, options);
}

Layout FeatureInputLayer::Observation() const {
  return Layout({{kB, 1}, {kC, options_.num_features}});
}

SequenceInputLayer::SequenceInputLayer(const SequenceInputOptions& options)
    : InputLayer(options.name, options.normalization), options_(options) {
  CheckProperties(*this, options);
  const auto& [name, channels, depth, height, width, how] = options;
  if ((depth > 0 && height == 0) || (height > 0 && width == 0))
    FailLayer(*this,
              "depth {}, height {} and width {} given, expected width alone (lines), height and "
              "width (pictures), or all (volumes)",
              depth, height, width);
}

Layout SequenceInputLayer::Observation() const {
  std::vector<Axis> axes{{kT, 1}};
  for (const int64_t size : {options_.depth, options_.height, options_.width})
    if (size > 0) axes.push_back({kS, size});
  axes.push_back({kC, options_.num_features});
  return Layout(std::move(axes));
}

LayerPtr ImageInput(const ImageInputOptions& options) {
  return std::make_shared<ImageInputLayer>(options);
}

LayerPtr Image3dInput(const Image3dInputOptions& options) {
  return std::make_shared<Image3dInputLayer>(options);
}

LayerPtr FeatureInput(const FeatureInputOptions& options) {
  return std::make_shared<FeatureInputLayer>(options);
}

LayerPtr SequenceInput(const SequenceInputOptions& options) {
  return std::make_shared<SequenceInputLayer>(options);
}

}  // namespace normkit
