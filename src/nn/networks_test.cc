#include "normkit/nn/networks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normkit/graph/executor.h"
#include "src/core/testing.h"
#include "src/nn/layers/normalization.h"

namespace normkit {
namespace {

NetworkPurpose Purpose(const std::string& norm) {
  return {.input_size = {28, 28, 1},
          .num_classes = 10,
          .norm = ParseNormChoice(norm),
          .width = 8,
          .blocks = 1};
}

bool ForSequences(const std::string& name) {
  return name == "lstm" || name == "gru" || name == "layer-norm-lstm" || name == "tcn" ||
         name == "transformer-tiny" || name == "cnn-lstm";
}

NetworkPurpose SequencePurpose(const std::string& norm, const std::string& name = "") {
  NetworkPurpose purpose{
      .num_features = 3, .sequences = true, .num_classes = 10, .norm = ParseNormChoice(norm)};
  if (name == "cnn-lstm") purpose.input_size = {7, 6, 3};
  return purpose;
}

TEST(NetworksTest, EveryNetworkWithEveryNormRunsForwardAndBackward) {
  for (const std::string& name : NetworkNames()) {
    if (name == "unet") continue;  // below
    for (const char* norm :
         {"none", "batch", "layer", "layer:auto", "instance", "group:2", "rms"}) {
      if (name == "mlp" && norm == std::string("instance")) continue;
      SCOPED_TRACE(name + " " + norm);
      const Graph graph =
          MakeNetwork(name, ForSequences(name) ? SequencePurpose(norm, name) : Purpose(norm));
      Parameters parameters(graph), gradients(graph);
      parameters.Initialize(graph, 1);
      Executor executor(graph, {.training = true});
      if (ForSequences(name))
        executor.SetBatch({.whole = 3}, std::vector<int64_t>{0, 4, 9, 11});
      else
        executor.SetBatchSize(3);
      Random random(1);
      // What begins at zero lets no gradient through.
      for (float& value : parameters.values())
        if (value == 0) value = static_cast<float>(0.1 * random.Normal());
      for (float& x : executor.input()) x = static_cast<float>(random.Normal());
      const RunContext mode{.training = true};
      const std::span<const float> y = executor.Forward(parameters, mode);
      ASSERT_EQ(y.size(), 30u);
      for (size_t b = 0; b < 3; ++b) {
        double sum = 0;
        for (size_t c = 0; c < 10; ++c) sum += y[b * 10 + c];
        EXPECT_NEAR(sum, 1, 1e-6);
      }
      std::vector<float> dy(30, 0.f);
      for (size_t b = 0; b < 3; ++b) dy[b * 10 + b] = 1;
      executor.Backward(parameters, dy, graph.output(), mode, gradients);
      for (const Parameter& parameter : gradients.list()) {
        if (!parameter.trainable) continue;
        double sum = 0;
        for (const float g : gradients.Get(parameter)) sum += std::abs(g);
        EXPECT_GT(sum, 0) << parameter.name;
        EXPECT_TRUE(std::isfinite(sum)) << parameter.name;
      }
    }
  }
}

TEST(NetworksTest, ForSequencesAnswersOfStepsOrTargets) {
  for (const std::string& name : NetworkNames()) {
    if (!ForSequences(name)) continue;
    NetworkPurpose purpose = SequencePurpose("layer", name);
    EXPECT_EQ(MakeNetwork(name, purpose).layout(MakeNetwork(name, purpose).output()).ToString(),
              "BC [1,10]");
    purpose.answers_each_row = true;
    const Graph rows = MakeNetwork(name, purpose);
    EXPECT_EQ(rows.layout(rows.output()).ToString(), "TC [1,10]");
    purpose.num_targets = 2;
    const Graph targets = MakeNetwork(name, purpose);
    EXPECT_EQ(targets.layout(targets.output()).ToString(), "TC [1,2]");
    EXPECT_EQ(targets.layers().back().layer->type(), "fully connected");
  }
  EXPECT_EQ(ErrorOf([] { MakeNetwork("lenet", SequencePurpose("none")); }),
            "network 'lenet' takes pictures, expected one for sequences: lstm, layer-norm-lstm, "
            "gru, tcn, transformer-tiny, a .json file");
  EXPECT_EQ(ErrorOf([] { MakeNetwork("lstm", Purpose("none")); }),
            "network 'lstm' takes sequences, expected one for pictures: small-cnn, mlp, lenet, "
            "resnet-tiny, vit-tiny, a .json file");
  EXPECT_EQ(ErrorOf([] { MakeNetwork("lstm", SequencePurpose("none", "cnn-lstm")); }),
            "network 'lstm' takes sequences, expected one for sequences of pictures: cnn-lstm, a "
            ".json file");
  EXPECT_EQ(ErrorOf([] { MakeNetwork("cnn-lstm", Purpose("none")); }),
            "network 'cnn-lstm' takes sequences of pictures, expected one for pictures: "
            "small-cnn, mlp, lenet, resnet-tiny, vit-tiny, a .json file");
  NetworkPurpose volumes = SequencePurpose("none", "cnn-lstm");
  volumes.input_depth = 4;
  EXPECT_EQ(ErrorOf([&] { MakeNetwork("cnn-lstm", volumes); }),
            "network 'cnn-lstm' takes sequences of pictures, expected one for sequences of "
            "volumes: a .json file");
}

TEST(NetworksTest, VolumesHaveAClassEach) {
  NetworkPurpose purpose{.input_size = {8, 12, 1}, .input_depth = 5, .num_classes = 3};
  const Graph graph = MakeNetwork("small-cnn", purpose);
  EXPECT_EQ(graph.layout(graph.output()).ToString(), "BC [1,3]");
  EXPECT_EQ(graph.input_layout().ToString(), "BSSSC [1,5,8,12,1]");
  EXPECT_EQ(MakeNetwork("mlp", purpose).input_layout().ToString(), "BSSSC [1,5,8,12,1]");
  EXPECT_EQ(
      ErrorOf([&] { MakeNetwork("lenet", purpose); }),
      "network 'lenet' takes pictures, expected one for volumes: small-cnn, mlp, a .json file");
}

TEST(NetworksTest, UnetIsOfPicturesAndVolumes) {
  for (const int64_t depth : {int64_t{0}, int64_t{4}}) {
    for (const char* norm : {"none", "batch", "layer", "instance", "group:2", "rms"}) {
      SCOPED_TRACE(fmt::format("{} {}", depth, norm));
      const Graph graph = MakeNetwork("unet", {.input_size = {8, 12, 2},
                                               .input_depth = depth,
                                               .num_classes = 3,
                                               .answers_each_position = true,
                                               .norm = ParseNormChoice(norm),
                                               .width = 2});
      EXPECT_EQ(graph.layout(graph.output()).ToString(),
                depth > 0 ? "BSSSC [1,4,8,12,3]" : "BSSC [1,8,12,3]");
      Parameters parameters(graph), gradients(graph);
      parameters.Initialize(graph, 1);
      Executor executor(graph, 2, /*training=*/true);
      Random random(1);
      for (float& x : executor.input()) x = static_cast<float>(random.Normal());
      const RunContext mode{.training = true};
      const std::span<const float> y = executor.Forward(parameters, mode);
      std::vector<float> dy(y.size());
      for (float& value : dy) value = static_cast<float>(random.Normal());
      executor.Backward(parameters, dy, graph.output(), mode, gradients);
      for (const Parameter& parameter : gradients.list()) {
        if (!parameter.trainable) continue;
        double sum = 0;
        for (const float g : gradients.Get(parameter)) sum += std::abs(g);
        EXPECT_GT(sum, 0) << parameter.name;
      }
    }
  }
  EXPECT_EQ(ErrorOf([] {
              MakeNetwork(
                  "unet",
                  {.input_size = {8, 10, 1}, .num_classes = 2, .answers_each_position = true});
            }),
            "network 'unet': observations are 8 x 10, expected multiples of 4 (2 halvings)");
  EXPECT_EQ(ErrorOf([] { MakeNetwork("unet", Purpose("none")); }),
            "network 'unet' takes pictures or volumes with a class for each position, expected "
            "one for pictures: small-cnn, mlp, lenet, resnet-tiny, vit-tiny, a .json file");
}

// What is trained may be any multiple of, and have any number added to, what convolves: along
// neither does the loss change.
TEST(NetworksTest, StandardizedWeightsHaveGradientsAcrossMeanAndScale) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {6, 6, 2}}));
  graph.Add(Convolution2d(
      {.name = "c", .filter_size = {3, 3}, .num_filters = 4, .weight_standardization = true}));
  graph.Add(Relu());
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, 2, /*training=*/true);
  Random random(1);
  for (float& x : executor.input()) x = static_cast<float>(random.Normal());
  const RunContext mode{.training = true};
  std::vector<float> dy(executor.Forward(parameters, mode).size());
  for (float& value : dy) value = static_cast<float>(random.Normal());
  executor.Backward(parameters, dy, graph.output(), mode, gradients);
  const auto weights = parameters.Get(*parameters.Find("c.weights")),
             gradient = gradients.Get(*gradients.Find("c.weights"));
  for (size_t filter = 0; filter < 4; ++filter) {
    double sum = 0, along = 0, size = 0, deviation = 0;
    for (size_t i = filter * 18; i < (filter + 1) * 18; ++i) {
      sum += gradient[i];
      along += gradient[i] * weights[i];
      size += std::abs(gradient[i]);
      deviation = std::max<double>(deviation, std::abs(weights[i]));
    }
    EXPECT_GT(size, 0);
    EXPECT_LT(std::abs(sum), 1e-5 * size);
    // Epsilon, 1e-5 beside a variance of glorot's 0.04, leaves as much of the scale.
    EXPECT_LT(std::abs(along), 1e-2 * size * deviation);
  }
}

// Each step by itself, unless another is asked for.
TEST(NetworksTest, LayerNormOfSequencesIsOfSteps) {
  EXPECT_EQ(NormFor(SequencePurpose("layer")).operation_dimension, OperationDimension::kAuto);
  EXPECT_EQ(NormFor(SequencePurpose("layer:batch-excluded")).operation_dimension,
            OperationDimension::kBatchExcluded);
  EXPECT_FALSE(NormFor(Purpose("layer")).operation_dimension);
  EXPECT_EQ(Name(ParseNormChoice("layer:batch-excluded")), "layer:batch-excluded");
}

// A square of up to 8 x 8 patches; layer normalization of each position by itself.
TEST(NetworksTest, VitFitsPictures) {
  for (const auto& [height, width, patches] :
       {std::tuple{28, 28, "[1,7,7,64]"}, {32, 32, "[1,8,8,64]"}, {5, 100, "[1,5,8,64]"}}) {
    const Graph graph = MakeNetwork("vit-tiny", {.input_size = {height, width, 3},
                                                 .num_classes = 10,
                                                 .norm = {.kind = NormChoice::kLayer}});
    EXPECT_EQ(graph.layout(graph.layer(2).output()).ToString(), std::string("BSSC ") + patches);
    const auto* norm = dynamic_cast<const NormalizationLayer*>(graph.layer(3).layer.get());
    ASSERT_TRUE(norm);
    EXPECT_EQ(norm->options().operation_dimension, OperationDimension::kChannelOnly);
  }
}

// Places are those of the pictures it was made for.
TEST(NetworksTest, VitTakesNoOtherSize) {
  Executor executor(MakeNetwork("vit-tiny", {.input_size = {32, 32, 3}, .num_classes = 10}));
  for (const auto& [size, positions] : {std::pair{24, "6x6"}, {40, "10x10"}}) {
    const Layout x = Layout::Make("BSSC", std::vector<int64_t>{2, size, size, 3});
    EXPECT_EQ(ErrorOf([&] {
                executor.SetShapes({&x, 1});
              }),
              fmt::format("position embedding 'positions': a picture has {} positions, expected "
                          "8x8 (those that its table is of)",
                          positions));
  }
}

TEST(NetworksTest, BeginWithoutAnOpinion) {
  for (const char* name : {"small-cnn", "lenet", "resnet-tiny", "vit-tiny"})
    for (const char* norm : {"none", "batch", "layer", "instance", "group:2", "rms"}) {
      SCOPED_TRACE(std::string(name) + " " + norm);
      const Graph graph = MakeNetwork(name, Purpose(norm));
      Parameters parameters(graph);
      parameters.Initialize(graph, 1);
      Executor executor(graph, 2, true);
      Random random(1);
      for (float& x : executor.input()) x = static_cast<float>(random.Normal());
      for (const float y : executor.Forward(parameters, {.training = true}))
        EXPECT_FLOAT_EQ(y, 0.1f);
    }
}

TEST(NetworksTest, ResidualBlocksBeginAsTheirShortcuts) {
  for (const char* norm : {"none", "batch", "layer", "instance", "group:2", "rms"}) {
    SCOPED_TRACE(norm);
    const Graph graph = MakeNetwork("resnet-tiny", Purpose(norm));
    Parameters parameters(graph);
    parameters.Initialize(graph, 1);
    const auto begins_at_zero = [&](const std::string& name) {
      const auto values = parameters.Get(*parameters.Find(name));
      return std::all_of(values.begin(), values.end(), [](float value) { return value == 0; });
    };
    const bool has_norm = norm != std::string("none");
    EXPECT_TRUE(begins_at_zero(has_norm ? "norm3_1b.scale" : "conv3_1b.weights"));
    for (const char* other : {"conv3_1a.weights", "conv3_1s.weights", "conv1.weights"})
      EXPECT_FALSE(begins_at_zero(other)) << other;
    if (has_norm) {
      EXPECT_FALSE(begins_at_zero("conv3_1b.weights"));
    }
  }
}

TEST(NetworksTest, NormDoesNotChangeHowWeightsBegin) {
  const Graph none = MakeNetwork("small-cnn", Purpose("none"));
  const Graph batch = MakeNetwork("small-cnn", Purpose("batch"));
  Parameters a(none), b(batch);
  a.Initialize(none, 7);
  b.Initialize(batch, 7);
  const auto first = a.Get(*a.Find("conv2.weights")), second = b.Get(*b.Find("conv2.weights"));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), second.begin(), second.end()));
  EXPECT_NE(a.Find("conv2.bias"), nullptr);
  EXPECT_EQ(b.Find("conv2.bias"), nullptr);
}

TEST(NetworksTest, NormChoicesHaveNames) {
  for (const char* name : {"none", "batch", "batch:renorm", "layer", "layer:channel-only",
                           "instance", "group:8", "rms", "group-rms:4"})
    EXPECT_EQ(Name(ParseNormChoice(name)), name);
}

TEST(NetworksTest, Errors) {
  EXPECT_EQ(ErrorOf([] { ParseNormChoice("bacth"); }),
            "norm 'bacth' is unknown, expected none, batch[:renorm], layer[:DIMENSION], "
            "instance, group:G, rms or group-rms:G, did you mean 'batch'?");
  EXPECT_EQ(
      ErrorOf([] { ParseNormChoice("group"); }),
      "norm 'group': no groups given, expected group:G with G a whole number from 1 to 1000000000");
  EXPECT_EQ(
      ErrorOf([] { ParseNormChoice("group-rms:0"); }),
      "norm 'group-rms:0': '0' groups given, expected group-rms:G with G a whole number from 1 "
      "to 1000000000");
  EXPECT_EQ(ErrorOf([] { ParseNormChoice("group:0"); }),
            "norm 'group:0': '0' groups given, expected group:G with G a whole number from 1 to "
            "1000000000");
  EXPECT_EQ(ErrorOf([] { ParseNormChoice("batch:2"); }),
            "norm 'batch:2': '2' given after the colon, expected batch or batch:renorm");
  EXPECT_EQ(ErrorOf([] { ParseNormChoice("rms:2"); }),
            "norm 'rms:2': '2' given after the colon, expected nothing");
  EXPECT_EQ(ErrorOf([] { MakeNetwork("smal-cnn", Purpose("batch")); }),
            "network 'smal-cnn' is unknown, expected small-cnn, mlp, lenet, resnet-tiny, lstm, "
            "layer-norm-lstm, gru, tcn, transformer-tiny, cnn-lstm, vit-tiny, unet or a .json "
            "file, did you mean "
            "'small-cnn'?");
  EXPECT_EQ(ErrorOf([] {
              MakeNetwork("mlp", {.input_size = {4, 4, 1}});
            }),
            "network 'mlp': 0 classes given, expected at least 1");
  EXPECT_EQ(ErrorOf([] { MakeNetwork("mlp", Purpose("instance")); }),
            "instance normalization 'norm1': each statistic is of one value of x (BC [1,100]), so "
            "that the output would be the offset whatever the input; expected images larger than "
            "1x1, or batch or layer normalization");
  EXPECT_EQ(ErrorOf([] { MakeNetwork("lenet", Purpose("group:4")); }),
            "group normalization 'norm1': num_groups is 4, expected a divisor of the 6 channels of "
            "x (BSSC [1,28,28,6])");
  NetworkPurpose purpose = Purpose("batch");
  purpose.width = 0;
  EXPECT_EQ(ErrorOf([&] { MakeNetwork("resnet-tiny", purpose); }),
            "network 'resnet-tiny': width is 0, expected 1 to 4096");
  purpose.width = 8;
  purpose.blocks = 0;
  EXPECT_EQ(ErrorOf([&] { MakeNetwork("resnet-tiny", purpose); }),
            "network 'resnet-tiny': blocks is 0, expected 1 to 100");
}

}  // namespace
}  // namespace normkit
