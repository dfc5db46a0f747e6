// Values that can be told without the layer: published constants, hand-made sums, definitions.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "normkit/graph/executor.h"
#include "normkit/nn/input_statistics.h"
#include "normkit/nn/layers.h"
#include "normkit/nn/loss.h"

namespace normkit {
namespace {

// A layer's answer to one batch, in inference.
std::vector<float> Answer(const LayerPtr& input, const LayerPtr& layer, std::vector<float> x) {
  Graph graph;
  graph.Add(input);
  graph.Add(layer);
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  const auto batch = static_cast<int64_t>(x.size()) / graph.input_layout().size();
  Executor executor(graph, batch, false);
  std::copy(x.begin(), x.end(), executor.input().begin());
  const std::span<const float> y = executor.Forward(parameters, {});
  return {y.begin(), y.end()};
}

LayerPtr Image(int64_t height, int64_t width, int64_t channels) {
  return ImageInput(
      {.input_size = {height, width, channels}, .normalization = InputNormalization::kNone});
}

LayerPtr Features(int64_t count) { return FeatureInput({.num_features = count}); }

void ExpectNear(const std::vector<float>& got, const std::vector<double>& expected,
                double tolerance = 1e-6) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], tolerance) << i;
}

TEST(LayerValuesTest, Activations) {
  ExpectNear(Answer(Features(3), Relu(), {-2, 0, 3}), {0, 0, 3});
  ExpectNear(Answer(Features(3), LeakyRelu({.scale = 0.1}), {-2, 0, 3}), {-0.2, 0, 3});
  ExpectNear(Answer(Features(3), Tanh(), {-1, 0, 2}), {std::tanh(-1.0), 0, std::tanh(2.0)});
  ExpectNear(Answer(Features(3), Sigmoid(), {-200, 0, 200}), {0, 0.5, 1});
  // x * Phi(x), Phi(1) = 0.8413447460685429; the tail keeps its digits.
  ExpectNear(Answer(Features(3), Gelu(), {-1, 0, 1}),
             {-0.15865525393145707, 0, 0.8413447460685429});
  EXPECT_NEAR(Answer(Features(1), Gelu(), {-6})[0] / (-6 * 9.865876450376981e-10), 1, 1e-5);
  EXPECT_TRUE(std::isnan(Answer(Features(1), Relu(), {std::nanf("")})[0]));
}

TEST(LayerValuesTest, SoftmaxOfLargeNumbers) {
  const double e = std::exp(1.0);
  ExpectNear(Answer(Features(2), Softmax(), {1000, 1001, -1000, -1000}),
             {1 / (1 + e), e / (1 + e), 0.5, 0.5});
}

TEST(LayerValuesTest, FlattenPutsChannelsFirst) {
  ExpectNear(Answer(Image(1, 3, 2), Flatten(), {1, 4, 2, 5, 3, 6}), {1, 2, 3, 4, 5, 6});
}

TEST(LayerValuesTest, SamePaddingPutsTheOddZeroBelowAndRight) {
  // 2x2 sums of an image with 4 columns 1 2 3 4, stride 1: the last window sees 4 and nothing.
  const auto ones = [](std::span<float> values, Random&) {
    std::fill(values.begin(), values.end(), 1.f);
  };
  const LayerPtr sum = Convolution2d({.filter_size = {1, 2},
                                      .num_filters = 1,
                                      .padding = Padding::Same(),
                                      .weights_initializer = Initializer(ones)});
  ExpectNear(Answer(Image(1, 4, 1), sum, {1, 2, 3, 4}), {3, 5, 7, 4});
  // Zeros of the padding count in averages, and never win a maximum.
  const Pooling2dOptions window{.pool_size = {1, 2}, .padding = Padding::Same()};
  ExpectNear(Answer(Image(1, 3, 1), AveragePooling2d(window), {-1, -2, -3}), {-1.5, -2.5, -1.5});
  ExpectNear(Answer(Image(1, 3, 1), MaxPooling2d(window), {-1, -2, -3}), {-1, -2, -3});
}

TEST(LayerValuesTest, BordersAndRepeatedElements) {
  ExpectNear(
      Answer(Image(1, 3, 1), ReflectionPadding2d({.padding = {false, 0, 0, 2, 1}}), {1, 2, 3}),
      {3, 2, 1, 2, 3, 2});
  ExpectNear(Answer(Image(1, 2, 2), Upsampling2d({.scale = {2, 2}}), {1, 10, 2, 20}),
             {1, 10, 1, 10, 2, 20, 2, 20, 1, 10, 1, 10, 2, 20, 2, 20});
  EXPECT_THROW(Answer(Image(1, 2, 1), ReflectionPadding2d({.padding = Padding::All(1)}), {1, 2}),
               Error);
}

TEST(LayerValuesTest, EqualElementsGiveTheOffset) {
  const LayerPtr norm = InstanceNormalization({.scale = {2, 3}, .offset = {5, 7}});
  ExpectNear(Answer(Image(1, 2, 2), norm, {1, 2, 1, 2}), {5, 7, 5, 7});
}

TEST(LayerValuesTest, InputNormalization) {
  const std::vector<float> data{1, 10, 3, 10, 5, 10, 7, 10};
  const auto normalized = [&](InputNormalization kind) {
    Graph graph;
    graph.Add(FeatureInput({.num_features = 2, .normalization = kind}));
    graph.Add(LeakyRelu({.scale = 1}));  // y = x
    Parameters parameters(graph);
    parameters.Initialize(graph, 1);
    InputStatistics statistics(graph);
    EXPECT_EQ(statistics.needed(), kind != InputNormalization::kNone);
    statistics.Add(std::span(data).first(2));
    statistics.Add(std::span(data).subspan(2));
    statistics.WriteTo(parameters);
    Executor executor(graph, 4, false);
    std::copy(data.begin(), data.end(), executor.input().begin());
    const std::span<const float> y = executor.Forward(parameters, {});
    return std::vector<float>(y.begin(), y.end());
  };
  const double s = std::sqrt(5.0);
  ExpectNear(normalized(InputNormalization::kNone), {1, 10, 3, 10, 5, 10, 7, 10});
  ExpectNear(normalized(InputNormalization::kZerocenter), {-3, 0, -1, 0, 1, 0, 3, 0});
  ExpectNear(normalized(InputNormalization::kZscore), {-3 / s, 0, -1 / s, 0, 1 / s, 0, 3 / s, 0});
  ExpectNear(normalized(InputNormalization::kRescaleZeroOne), {0, 0, 1 / 3.0, 0, 2 / 3.0, 0, 1, 0});
  ExpectNear(normalized(InputNormalization::kRescaleSymmetric),
             {-1, -1, -1 / 3.0, -1, 1 / 3.0, -1, 1, -1});
}

TEST(LayerValuesTest, Initializers) {
  Graph graph;
  graph.Add(Image(4, 4, 8));
  const auto convolution = [](const char* name, Initializer initializer) {
    return Convolution2d({.name = name,
                          .filter_size = {3, 3},
                          .num_filters = 128,
                          .num_groups = 2,
                          .weights_initializer = initializer});
  };
  graph.Add(convolution("he", Initializer::kHe), {0});
  graph.Add(convolution("glorot", Initializer::kGlorot), {0});
  graph.Add(convolution("narrow", Initializer::kNarrowNormal), {0});
  graph.Add(convolution("fan-in", Initializer::kFanInUniform), {0});
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  const auto deviation = [&](const char* name) {
    const std::span<const float> values = parameters.Get(*parameters.Find(name));
    double sum = 0;
    for (const float v : values) sum += static_cast<double>(v) * v;
    return std::sqrt(sum / static_cast<double>(values.size()));
  };
  const double in = 9 * 4, out = 9 * 64;  // of one group
  EXPECT_NEAR(deviation("he.weights"), std::sqrt(2 / in), 0.02 * std::sqrt(2 / in));
  EXPECT_NEAR(deviation("glorot.weights"), std::sqrt(2 / (in + out)), 0.02 * 0.057);
  EXPECT_NEAR(deviation("narrow.weights"), 0.01, 0.0002);
  EXPECT_NEAR(deviation("fan-in.weights"), std::sqrt(1 / (3 * in)), 0.02 * std::sqrt(1 / (3 * in)));
  for (const float value : parameters.Get(*parameters.Find("fan-in.weights")))
    EXPECT_LE(std::abs(value), 1 / std::sqrt(in));
  EXPECT_EQ(deviation("he.bias"), 0);
}

TEST(LayerValuesTest, DropoutKeepsTheExpectation) {
  Graph graph;
  graph.Add(Image(100, 100, 1));
  graph.Add(Dropout({.probability = 0.25}));
  Parameters parameters(graph);
  Executor executor(graph, 4, true);
  std::fill(executor.input().begin(), executor.input().end(), 1.f);
  RunContext mode{.training = true, .seed = 9};
  const std::span<const float> y = executor.Forward(parameters, mode);
  const std::vector<float> first(y.begin(), y.end());
  double sum = 0;
  for (const float value : first) {
    ASSERT_TRUE(value == 0 || std::abs(value - 4 / 3.0f) < 1e-6) << value;
    sum += value;
  }
  EXPECT_NEAR(sum / 40000, 1, 0.015);  // 5 standard deviations
  executor.Forward(parameters, mode);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), y.begin()));
  mode.iteration = 1;
  executor.Forward(parameters, mode);
  EXPECT_FALSE(std::equal(first.begin(), first.end(), y.begin()));
  mode.dropout = false;
  executor.Forward(parameters, mode);
  for (const float value : y) ASSERT_EQ(value, 1);
  executor.Forward(parameters, {});
  for (const float value : y) ASSERT_EQ(value, 1);
}

TEST(LossTest, CrossEntropy) {
  const std::vector<float> logits{1, 2, 3, 1000, 0, -1000};
  const std::vector<int64_t> labels{2, 0};
  std::vector<float> gradient(6);
  const double sum = std::exp(-2.0) + std::exp(-1.0) + 1;
  EXPECT_NEAR(CrossEntropyLoss(logits, labels, 3, gradient), std::log(sum) / 2, 1e-12);
  ExpectNear(gradient,
             {std::exp(-2.0) / sum / 2, std::exp(-1.0) / sum / 2, (1 / sum - 1) / 2, 0, 0, 0});
}

TEST(LossTest, HalfMeanSquaredError) {
  const std::vector<float> y{1, 2, 3, 4}, target{1, 1, 1, 1};
  std::vector<float> gradient(4);
  EXPECT_DOUBLE_EQ(HalfMeanSquaredError(y, target, 2, gradient), (1 + 4 + 9) / 4.0);
  ExpectNear(gradient, {0, 0.5, 1, 1.5});
}

}  // namespace
}  // namespace normkit
