// Adaptive and conditional instance normalization beside plain ones, and layers without a scale.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normkit/graph/executor.h"
#include "normkit/nn/layers.h"

namespace normkit {
namespace {

constexpr int64_t kHeight = 3, kWidth = 4, kChannels = 2, kStyles = 3, kBatch = 2;

LayerPtr Image() {
  return ImageInput({.name = "x",
                     .input_size = {kHeight, kWidth, kChannels},
                     .normalization = InputNormalization::kNone});
}

// A network with an input of images and others of features, and numbers in all of them.
struct Trial {
  Graph graph;
  Parameters parameters;
  std::unique_ptr<Executor> executor;

  void Prepare(bool training) {
    parameters = Parameters(graph);
    parameters.Initialize(graph, 1);
    Random random(7);
    for (const Parameter& p : parameters.list())
      for (float& value : parameters.Get(p)) value = static_cast<float>(random.Uniform(-2, 2));
    executor = std::make_unique<Executor>(graph, kBatch, training);
    for (size_t i = 0; i < graph.inputs().size(); ++i)
      for (float& value : executor->input(i).values<float>())
        value = static_cast<float>(random.Normal());
  }
  std::vector<float> Forward(bool training = false) {
    const std::span<const float> y = executor->Forward(parameters, {.training = training});
    return {y.begin(), y.end()};
  }
};

Trial Conditional() {
  Trial run;
  const Value x = run.graph.Add(Image());
  const Value styles = run.graph.Add(FeatureInput({.name = "style", .num_features = kStyles}), {});
  run.graph.Add(ConditionalInstanceNormalization({.name = "norm", .num_styles = kStyles}),
                {x, styles});
  return run;
}

// The plain layer with this scale and offset on the same images.
std::vector<float> Plain(Trial& conditional, size_t observation,
                         const std::vector<float>& weights) {
  std::vector<float> scale, offset;
  for (size_t c = 0; c < kChannels; ++c)
    for (auto& [name, values] : {std::pair{"norm.scale", &scale}, {"norm.offset", &offset}}) {
      const auto table =
          std::as_const(conditional.parameters).Get(*conditional.parameters.Find(name));
      float mixed = 0;
      for (size_t s = 0; s < kStyles; ++s) mixed += weights[s] * table[c * kStyles + s];
      values->push_back(mixed);
    }
  Trial plain;
  plain.graph.Add(Image());
  plain.graph.Add(InstanceNormalization({.scale = scale, .offset = offset}));
  plain.parameters = Parameters(plain.graph);
  plain.parameters.Initialize(plain.graph, 1);
  plain.executor = std::make_unique<Executor>(plain.graph, kBatch, false);
  std::ranges::copy(conditional.executor->input(), plain.executor->input().begin());
  const std::vector<float> y = plain.Forward();
  const size_t n = y.size() / kBatch;
  return {y.begin() + static_cast<int64_t>(observation * n),
          y.begin() + static_cast<int64_t>((observation + 1) * n)};
}

TEST(ConditionalNormalizationTest, WeightsChooseAndMixStyles) {
  Trial run = Conditional();
  run.Prepare(false);
  const std::vector<float> weights[kBatch] = {{0, 1, 0}, {0.25f, 0, 0.75f}};
  for (size_t b = 0; b < kBatch; ++b)
    std::ranges::copy(weights[b], run.executor->input(1).values<float>().begin() +
                                      static_cast<int64_t>(b * kStyles));
  const std::vector<float> y = run.Forward();
  for (size_t b = 0; b < kBatch; ++b) {
    const std::vector<float> expected = Plain(run, b, weights[b]);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(y[b * expected.size() + i], expected[i], 2e-6) << b << " " << i;
  }
}

TEST(ConditionalNormalizationTest, GradientsOfTheTablesAgreeWithDifferences) {
  Trial run = Conditional();
  run.Prepare(true);
  const std::vector<float> y = run.Forward(true);
  std::vector<float> weights(y.size());
  Random random(9);
  for (float& w : weights) w = static_cast<float>(random.Uniform(-1, 1));
  Parameters gradients(run.graph);
  run.executor->Backward(run.parameters, weights, run.graph.output(), {.training = true},
                         gradients);
  const auto loss = [&] {
    const std::vector<float> at = run.Forward(true);
    double sum = 0;
    for (size_t i = 0; i < at.size(); ++i) sum += static_cast<double>(weights[i]) * at[i];
    return sum;
  };
  for (const Parameter& p : run.parameters.list())
    for (size_t i = 0; i < static_cast<size_t>(p.size); ++i) {
      float& value = run.parameters.Get(p)[i];
      const float middle = value;
      value = middle + 0.5f;  // y is linear in the tables
      const double above = loss();
      value = middle - 0.5f;
      const double difference = above - loss();
      value = middle;
      EXPECT_NEAR(std::as_const(gradients).Get(p)[i], difference, 2e-5) << p.name << " " << i;
    }
}

TEST(ConditionalNormalizationTest, ErrorsNameWhatIsExpected) {
  Graph graph;
  const Value x = graph.Add(Image());
  const Value styles = graph.Add(FeatureInput({.name = "style", .num_features = 2}), {});
  const auto error = [&](const LayerPtr& layer, const std::vector<Value>& inputs) -> std::string {
    try {
      graph.Add(layer, inputs);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  EXPECT_EQ(error(ConditionalInstanceNormalization({.name = "n", .num_styles = 3}), {x, styles}),
            "conditional instance normalization 'n': weights of the styles are BC [1,2], expected "
            "BC with num_styles 3 channels");
  EXPECT_EQ(error(ConditionalInstanceNormalization({.name = "n", .num_styles = 2}), {x}),
            "conditional instance normalization 'n': reads 1 values, expected 2: images and "
            "weights of the styles");
  EXPECT_EQ(error(AdaptiveInstanceNormalization({.name = "n"}), {styles, styles, styles}),
            "adaptive instance normalization 'n': input is BC [1,2], expected images, BSSC "
            "[batch,height,width,channels]");
  EXPECT_THROW(InstanceNormalization({.affine = false, .scale = {1, 2}}), Error);
}

TEST(AdaptiveNormalizationTest, TakesScaleAndOffsetFromOtherValues) {
  Trial run;
  const Value x = run.graph.Add(Image());
  const Value scale = run.graph.Add(FeatureInput({.name = "scale", .num_features = kChannels}), {});
  const Value offset =
      run.graph.Add(FeatureInput({.name = "offset", .num_features = kChannels}), {});
  run.graph.Add(AdaptiveInstanceNormalization({.name = "norm"}), {x, scale, offset});
  run.Prepare(false);
  Trial bare;
  bare.graph.Add(Image());
  bare.graph.Add(InstanceNormalization({.affine = false}));
  bare.Prepare(false);
  EXPECT_TRUE(bare.parameters.list().empty());
  std::ranges::copy(run.executor->input(), bare.executor->input().begin());
  const std::vector<float> y = run.Forward(), xhat = bare.Forward();
  const auto scales = run.executor->input(1).values<float>(),
             offsets = run.executor->input(2).values<float>();
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t at = i / (y.size() / kBatch) * kChannels + i % kChannels;
    EXPECT_NEAR(y[i], scales[at] * xhat[i] + offsets[at], 1e-6) << i;
  }
}

}  // namespace
}  // namespace normkit
