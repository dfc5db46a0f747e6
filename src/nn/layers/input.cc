#include "src/nn/layers/input.h"

#include "src/nn/layers/elementwise.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

// y = (x - shift) / divisor, then * 2 - 1 where symmetric; channel by channel.
class InputOp : public LayerOp {
 public:
  InputOp(const Layout& x, InputNormalization normalization)
      : rows_(x.size() / x.channels()), channels_(x.channels()), normalization_(normalization) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      NormalizeRow(context.inputs[0] + row * channels_, context.parameters,
                   context.output + row * channels_);
    });
  }

  void Backward(const BackwardContext&) override {}  // nothing lies before the input

 private:
  void NormalizeRow(const float* x, std::span<float* const> parameters, float* y) const {
    const float *first = parameters[0], *second = parameters.size() > 1 ? parameters[1] : nullptr;
    switch (normalization_) {
      case InputNormalization::kNone:
        break;  // the executor runs no operation
      case InputNormalization::kZerocenter:
        for (int64_t c = 0; c < channels_; ++c) y[c] = x[c] - first[c];
        break;
      case InputNormalization::kZscore:
        for (int64_t c = 0; c < channels_; ++c) y[c] = (x[c] - first[c]) / second[c];
        break;
      case InputNormalization::kRescaleZeroOne:
        for (int64_t c = 0; c < channels_; ++c) y[c] = (x[c] - first[c]) / (second[c] - first[c]);
        break;
      case InputNormalization::kRescaleSymmetric:
        for (int64_t c = 0; c < channels_; ++c)
          y[c] = 2 * ((x[c] - first[c]) / (second[c] - first[c])) - 1;
        break;
    }
  }

  int64_t rows_, channels_;
  InputNormalization normalization_;
};

}  // namespace

std::string_view Name(InputNormalization normalization) { return NameOf(normalization); }

InputNormalization ParseInputNormalization(std::string_view name) {
  return ParseNamed<InputNormalization>(name);
}

Layout InputLayer::OutputLayout(std::span<const Layout> inputs) const {
  if (!inputs.empty())
    FailLayer(*this, "{} inputs given, expected none: an input layer is the first", inputs.size());
  return Observation();
}

std::vector<ParameterSpec> InputLayer::Parameters(std::span<const Layout>) const {
  const std::vector<int64_t> shape{Observation().channels()};
  const auto spec = [&](std::string name, Initializer::Kind kind) {
    return ParameterSpec{std::move(name), shape, MakeInitializer(kind, 1, 1), false, 0, 0};
  };
  switch (normalization_) {
    case InputNormalization::kNone:
      return {};
    case InputNormalization::kZerocenter:
      return {spec("mean", Initializer::kZeros)};
    case InputNormalization::kZscore:
      return {spec("mean", Initializer::kZeros), spec("std", Initializer::kOnes)};
    case InputNormalization::kRescaleZeroOne:
    case InputNormalization::kRescaleSymmetric:
      break;
  }
  return {spec("min", Initializer::kZeros), spec("max", Initializer::kOnes)};
}

std::unique_ptr<LayerOp> InputLayer::Prepare(std::span<const Layout> inputs, bool) const {
  if (normalization_ == InputNormalization::kNone) return nullptr;
  return std::make_unique<InputOp>(inputs[0], normalization_);
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

FeatureInputLayer::FeatureInputLayer(const FeatureInputOptions& options)
    : InputLayer(options.name, options.normalization), options_(options) {
  CheckProperties(*this, options);
}

Layout FeatureInputLayer::Observation() const { return FeatureLayout(1, options_.num_features); }

LayerPtr ImageInput(const ImageInputOptions& options) {
  return std::make_shared<ImageInputLayer>(options);
}

LayerPtr FeatureInput(const FeatureInputOptions& options) {
  return std::make_shared<FeatureInputLayer>(options);
}

}  // namespace normkit
