// Style losses and the training of style networks, on pictures that are drawn.
#include "src/stylize/style_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "normkit/core/threads.h"
#include "normkit/onnx/onnx.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/onnx/model.h"
#include "src/stylize/graph_math.h"
#include "src/stylize/pixels.h"
#include "src/stylize/synthetic_pictures.h"

namespace normkit {
namespace {

constexpr int64_t kSize = 48;

std::vector<Image> Styles(size_t count) {
  std::vector<Image> styles;
  for (size_t i = 0; i < count; ++i)
    styles.push_back(SyntheticStyle(SyntheticStyles()[i % 4], i, 64, 80));
  return styles;
}

StyleTrainingOptions Small(int64_t steps) {
  StyleTrainingOptions options;
  options.network.width = 4;
  options.network.blocks = 1;
  options.steps = steps;
  options.mini_batch_size = 2;
  options.size = kSize;
  return options;
}

StyleTrainer MakeTrainer(const StyleTrainingOptions& options, size_t styles = 1) {
  return StyleTrainer(options, RandomFeatures(5, 3), Styles(styles),
                      ContentPictures::Synthetic(9, 6, kSize));
}

std::string BytesOf(const StyleTrainer& trainer) {
  return OnnxBytes(trainer.network(), ImageSizes::kAny);
}

void Nothing(const StyleRow&) {}

// The losses of a picture beside a style and a content.
class LossOf {
 public:
  explicit LossOf(const Image& style)
      : layout_(Layout::Make("BSSC", std::vector<int64_t>{1, style.height, style.width, 3})) {
    const auto features = RandomFeatures(5, 3);
    const Value y = graph_.AddInput({DType::kF32, layout_}),
                x = graph_.AddInput({DType::kF32, layout_});
    const Value more = graph_.AddParameter({"more", {3}, {}, true});
    const Value changed = GraphMath(graph_).Add(y, more);
    graph_.Add(std::make_shared<StyleLossLayer>(features, TargetsOf(*features, {style}),
                                                StyleLossWeights{}),
               {changed, x});
    parameters_ = Parameters(graph_);
    executor_ = std::make_unique<Executor>(graph_, ExecutorOptions{true, false, Outputs()});
    executor_->SetShapes(std::vector{layout_, layout_});
  }

  std::vector<double> Of(const Image& y, const Image& content) {
    ToValues(y, {.largest = 1}, executor_->input(0).values<float>());
    ToValues(content, {.largest = 1}, executor_->input(1).values<float>());
    executor_->Forward(parameters_, {.training = true});
    std::vector<double> losses;
    for (const Value output : Outputs())
      losses.push_back(static_cast<double>(executor_->value(output)[0]));
    return losses;
  }
  // With respect to a number added to each channel of y; of the last losses.
  std::vector<float> Gradient() {
    Parameters gradients(graph_);
    const float one = 1;
    executor_->Backward(parameters_, {&one, 1}, graph_.output(), {.training = true}, gradients);
    const auto values = gradients.values().first(3);
    return {values.begin(), values.end()};
  }
  float& Added(size_t channel) { return parameters_.values()[channel]; }

 private:
  const std::vector<Value>& Outputs() const { return graph_.layers().back().outputs; }

  Layout layout_;
  Graph graph_;
  Parameters parameters_;
  std::unique_ptr<Executor> executor_;
};

TEST(StyleLossTest, IsNothingForTheStyleItselfAndTheContentItself) {
  const Image style = SyntheticStyle("mosaic", 1, 48, 64), content = SyntheticContent(2, 48, 64);
  LossOf loss(style);
  EXPECT_NEAR(loss.Of(style, content)[2], 0, 1e-9);
  EXPECT_GT(loss.Of(style, content)[1], 0.1);
  EXPECT_NEAR(loss.Of(content, content)[1], 0, 1e-9);
  EXPECT_GT(loss.Of(content, content)[2], 0.1);
  Image flat = content;
  std::ranges::fill(flat.pixels, uint8_t{90});
  EXPECT_NEAR(loss.Of(flat, content)[3], 0, 1e-9);
  EXPECT_NEAR(loss.Of(flat, flat)[1], 0, 1e-9) << "no content to compare with";
}

TEST(StyleLossTest, GradientsAgreeWithDifferences) {
  LossOf loss(SyntheticStyle("strokes", 1, 48, 64));
  const Image y = SyntheticContent(3, 48, 64), content = SyntheticContent(4, 48, 64);
  loss.Of(y, content);
  const std::vector<float> gradient = loss.Gradient();
  for (size_t c = 0; c < 3; ++c) {
    constexpr float kStep = 0.01f;
    loss.Added(c) = kStep;
    const double above = loss.Of(y, content)[0];
    loss.Added(c) = -kStep;
    const double difference = (above - loss.Of(y, content)[0]) / (2 * kStep);
    loss.Added(c) = 0;
    EXPECT_NEAR(gradient[c], difference, 0.02 * std::max(0.1, std::abs(difference))) << c;
  }
}

TEST(StyleTrainerTest, LearnsTheStyle) {
  StyleTrainingOptions options = Small(40);
  options.learn_rate = 0.01;
  StyleTrainer trainer = MakeTrainer(options);
  EXPECT_TRUE(trainer.Run(Nothing));
  ASSERT_EQ(trainer.history().size(), 40u);
  const std::vector<Image> contents{SyntheticContent(100, kSize, kSize)};
  EXPECT_LT(trainer.Measure(contents, 0, false).style,
            0.7 * trainer.Measure(contents, 0, true).style);
}

TEST(StyleTrainerTest, EveryNormAndNoneRun) {
  for (const char* norm : {"none", "batch", "layer", "group:2", "rms", "layer:channel-only"}) {
    StyleTrainingOptions options = Small(2);
    options.network.norm = ParseNormChoice(norm);
    StyleTrainer trainer = MakeTrainer(options);
    EXPECT_TRUE(trainer.Run(Nothing)) << norm;
    EXPECT_NE(trainer.history()[0].of.loss, trainer.history()[1].of.loss) << norm;
    EXPECT_FALSE(BytesOf(trainer).empty());
  }
}

TEST(StyleTrainerTest, SameBytesForAnyNumberOfThreadsAndAfterAStop) {
  const TestFolder folder;
  const std::string checkpoint = folder.path() + "/c.npz";
  std::vector<std::string> bytes;
  for (const int threads : {1, 2, 3}) {
    SetNumThreads(threads);
    StyleTrainer trainer = MakeTrainer(Small(5), 2);
    EXPECT_TRUE(trainer.Run(Nothing));
    bytes.push_back(BytesOf(trainer));
  }
  SetNumThreads(0);
  std::atomic<bool> stop = false;
  StyleTrainingOptions options = Small(5);
  options.stop = &stop;
  StyleTrainer stopped = MakeTrainer(options, 2);
  EXPECT_FALSE(stopped.Run([&](const StyleRow& row) { stop = row.step == 2; }));
  stopped.Save(checkpoint);
  StyleTrainer resumed = MakeTrainer(Small(5), 2);
  resumed.Resume(checkpoint);
  EXPECT_EQ(resumed.history().size(), 2u);
  EXPECT_EQ(resumed.history()[1].of.style, stopped.history()[1].of.style);
  EXPECT_TRUE(resumed.Run(Nothing));
  bytes.push_back(BytesOf(resumed));
  for (const std::string& one : bytes) EXPECT_EQ(one, bytes[0]);
  StyleTrainer other = MakeTrainer(Small(6), 2);
  EXPECT_ERROR(other.Resume(checkpoint),
               "checkpoint '" + checkpoint + "': made with steps 5, given 6");
}

TEST(StyleTrainerTest, AStyleIsAddedByItsScalesAndOffsetsAlone) {
  StyleTrainer two = MakeTrainer(Small(3), 2);
  two.Run(Nothing);
  StyleTrainer three = MakeTrainer(Small(3), 3);
  three.AddStyleTo(two.network());
  three.Run(Nothing);
  const Network before = two.network(), after = three.network();
  bool moved = false;
  for (const Parameter& p : after.parameters.list()) {
    const auto from = std::as_const(before.parameters).Get(*before.parameters.Find(p.name)),
               to = std::as_const(after.parameters).Get(p);
    if (p.shape.size() != 2 || p.shape[1] != 3) {
      EXPECT_TRUE(std::ranges::equal(from, to)) << p.name;
      continue;
    }
    for (size_t row = 0; row < from.size() / 2; ++row) {
      EXPECT_EQ(to[3 * row], from[2 * row]);
      EXPECT_EQ(to[3 * row + 1], from[2 * row + 1]);
      moved |= to[3 * row + 2] != (from[2 * row] + from[2 * row + 1]) / 2;
    }
  }
  EXPECT_TRUE(moved);
  StyleTrainer four = MakeTrainer(Small(3), 4);
  EXPECT_THROW(four.AddStyleTo(two.network()), Error);
}

TEST(StyleTrainerTest, RefusesWhatCannotBe) {
  StyleTrainingOptions options = Small(1);
  options.network.norm = ParseNormChoice("batch");
  EXPECT_ERROR(MakeTrainer(options, 2),
               "style network: 2 styles with norm batch, expected instance: each style has its own "
               "scale and offset of it");
  options.size = 46;
  EXPECT_ERROR(MakeTrainer(options),
               "style training: size is 46, expected a multiple of 4 from 20");
}

TEST(NetworkFeaturesTest, AreThoseOfTheNetwork) {
  const TestFolder folder;
  const std::string path = folder.path() + "/features.onnx";
  Graph graph;
  graph.Add(ImageInput({.name = "image", .input_size = {32, 32, 3}}));
  for (const std::string number : {"1", "2", "3"}) {
    graph.Add(Convolution2d({.name = "conv" + number,
                             .filter_size = {3, 3},
                             .num_filters = 6,
                             .stride = {number == "1" ? 1 : 2, number == "1" ? 1 : 2},
                             .padding = Padding::Same()}));
    graph.Add(BatchNormalization({.name = "norm" + number}));
    graph.Add(Relu("relu" + number));
  }
  Network network;
  network.parameters = Parameters(graph);
  network.parameters.Initialize(graph, 1);
  network.graph = std::move(graph);
  SaveOnnxOfAnySize(network, path);

  const auto features = FeaturesOfNetwork(path);
  EXPECT_EQ(features->Description(),
            "relu1, relu2, relu3 of " + path + " (pixels are RGB, 0 to 1, assumed)");
  Graph with;
  const Layout layout = Layout::Make("BSSC", std::vector<int64_t>{1, 40, 36, 3});
  const FeatureValues values =
      features->AddTo(with, with.AddInput({DType::kF32, layout}), StyleFeatures::kResults);
  ASSERT_EQ(values.style.size(), 3u);
  ASSERT_EQ(values.content, (std::vector{values.style[1]}));
  Executor executor(with, {.keep = values.style});
  executor.SetShapes(std::span(&layout, 1));
  const Image picture = SyntheticContent(1, 40, 36);
  ToValues(picture, {.largest = 1}, executor.input(0).values<float>());
  executor.Forward(Parameters(with), {});
  Executor own(network.graph, {.keep_all = true});
  own.SetShapes(std::span(&layout, 1));
  ToValues(picture, {.largest = 1}, own.input(0).values<float>());
  own.Forward(network.parameters, {});
  for (size_t i = 0; i < 3; ++i) {
    const auto expected = own.value(network.graph.layer(static_cast<int>(3 * i + 3)).output()),
               got = executor.value(values.style[i]);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t k = 0; k < got.size(); ++k) ASSERT_NEAR(got[k], expected[k], 1e-5) << i;
  }
  EXPECT_ERROR(FeaturesOfNetwork(path, {"rellu2"}),
               path +
                   ": node 'rellu2' is no ReLU on pictures of it, expected one of relu1, relu2, "
                   "relu3, did you mean 'relu2'?");
}

}  // namespace
}  // namespace normkit
