// What is written is read back bit for bit, for every layer with every property.
#include "normkit/onnx/onnx.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <tuple>

#include "normkit/core/error.h"
#include "src/core/files.h"
#include "src/core/log_capture.h"
#include "src/core/testing.h"
#include "src/nn/layers/convolution.h"
#include "src/nn/layers/normalization.h"
#include "src/onnx/model.h"
#include "src/onnx/testing.h"

namespace normkit {
namespace {

// Names, connections, parameters to the bit, and the file again to the byte.
void ExpectRoundTrip(const Network& network, const std::string& name) {
  SCOPED_TRACE(name);
  const std::string bytes = OnnxBytes(network);
  const Network read = NetworkFromOnnx(bytes, name);
  ASSERT_EQ(read.graph.num_layers(), network.graph.num_layers());
  for (int layer = 0; layer < network.graph.num_layers(); ++layer) {
    const LayerRecord &given = network.graph.layer(layer), &found = read.graph.layer(layer);
    EXPECT_EQ(found.layer->name(), given.layer->name());
    EXPECT_EQ(found.layer->type(), given.layer->type());
    EXPECT_EQ(found.layer->Description(), given.layer->Description());
    EXPECT_EQ(found.inputs, given.inputs);
  }
  EXPECT_EQ(read.graph.Infer(3).types, network.graph.Infer(3).types);
  const auto &given = network.parameters.list(), &found = read.parameters.list();
  ASSERT_EQ(found.size(), given.size());
  for (size_t i = 0; i < given.size(); ++i) {
    EXPECT_EQ(found[i].name, given[i].name);
    EXPECT_EQ(found[i].shape, given[i].shape);
    EXPECT_EQ(found[i].trainable, given[i].trainable);
    EXPECT_EQ(found[i].learn_rate_factor, given[i].learn_rate_factor);
    EXPECT_EQ(found[i].l2_factor, given[i].l2_factor);
    const auto a = network.parameters.Get(given[i]), b = read.parameters.Get(found[i]);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
      return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
    })) << given[i].name;
  }
  EXPECT_EQ(read.classes, network.classes);
  EXPECT_EQ(read.facts, network.facts);
  EXPECT_EQ(OnnxBytes(read), bytes);
}

TEST(Onnx, RoundTripsEveryLayerKind) {
  for (const Sample& sample : AllSamples()) ExpectRoundTrip(sample.network, sample.name);
}

// Nor are files read that hold such values: see hostile_test.cc.
TEST(Onnx, ParametersThatAreNotFiniteAreNotWritten) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 3}));
  graph.Add(BatchNormalization({.name = "bn"}));
  Network network{graph, Parameters(graph), {}, {}};
  for (const auto& [name, value, expected] :
       {std::tuple{"scale", std::nanf(""), "nan, expected a finite number"},
        {"offset", std::numeric_limits<float>::infinity(), "inf, expected a finite number"},
        {"trained_mean", std::nanf(""), "nan, expected a finite number"},
        {"trained_variance", -1.f, "-1, expected a finite number >= 0"}}) {
    network.parameters.Initialize(graph, 1);
    network.parameters.Get(*network.parameters.Find(std::string("bn.") + name))[1] = value;
    EXPECT_ERROR(OnnxBytes(network), std::string("model file: batch normalization 'bn': ") + name +
                                         "[1] is " + expected);
  }
}

TEST(Onnx, KeepsEveryPropertyOfBatchNormalization) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 3}));
  graph.Add(BatchNormalization({.name = "bn",
                                .epsilon = 1.25e-4,
                                .num_channels = 3,
                                .trained_mean = {0.1f, -2, 3},
                                .trained_variance = {1, 0.3f, 0},
                                .scale = {1e-30f, 2, 3},
                                .offset = {3, 2, 0.1f},
                                .mean_decay = 0.3,
                                .variance_decay = 0.7,
                                .scale_initializer = Initializer::kNarrowNormal,
                                .offset_initializer = Initializer::kOnes,
                                .scale_learn_rate_factor = 0.1,
                                .offset_learn_rate_factor = 2.5,
                                .scale_l2_factor = 0,
                                .offset_l2_factor = 1.0 / 3,
                                .freeze_statistics = true,
                                .use_trained_statistics = true}));
  graph.Add(BatchNormalization({.renormalize = true,
                                .renormalization_scale_limit = 1.5,
                                .renormalization_shift_limit = 0.3,
                                .renormalization_warm_up = 7}));
  const Network network = MakeNetwork(std::move(graph));
  ExpectRoundTrip(network, "batch normalization");
  const Network read = NetworkFromOnnx(OnnxBytes(network), "file");
  const auto& p = dynamic_cast<const NormalizationLayer&>(*read.graph.layer(1).layer).options();
  EXPECT_EQ(p.epsilon, 1.25e-4);
  EXPECT_EQ(p.num_channels, 3);
  EXPECT_EQ(p.trained_mean, (std::vector<float>{0.1f, -2, 3}));
  EXPECT_EQ(p.trained_variance, (std::vector<float>{1, 0.3f, 0}));
  EXPECT_EQ(p.scale, (std::vector<float>{1e-30f, 2, 3}));
  EXPECT_EQ(p.offset, (std::vector<float>{3, 2, 0.1f}));
  EXPECT_EQ(p.mean_decay, 0.3);
  EXPECT_EQ(p.variance_decay, 0.7);
  EXPECT_EQ(p.scale_initializer.kind, Initializer::kNarrowNormal);
  EXPECT_EQ(p.offset_initializer.kind, Initializer::kOnes);
  EXPECT_EQ(p.scale_learn_rate_factor, 0.1);
  EXPECT_EQ(p.offset_learn_rate_factor, 2.5);
  EXPECT_EQ(p.scale_l2_factor, 0);
  EXPECT_EQ(p.offset_l2_factor, 1.0 / 3);
  EXPECT_TRUE(p.freeze_statistics);
  EXPECT_TRUE(p.use_trained_statistics);
  EXPECT_FALSE(p.renormalize);
  const auto& q = dynamic_cast<const NormalizationLayer&>(*read.graph.layer(2).layer).options();
  EXPECT_TRUE(q.renormalize);
  EXPECT_EQ(q.renormalization_scale_limit, 1.5);
  EXPECT_EQ(q.renormalization_shift_limit, 0.3);
  EXPECT_EQ(q.renormalization_warm_up, 7);
}

TEST(Onnx, KeepsOperationDimensionAndGroups) {
  using enum OperationDimension;
  for (const OperationDimension dimension : {kBatchExcluded, kAuto, kChannelOnly, kSpatialChannel})
    for (const bool images : {true, false}) {
      const LayerPtr layer = LayerNormalization({.operation_dimension = dimension});
      const Sample sample = images ? OnImages("ln", layer) : OnFeatures("ln", layer);
      const Network read = NetworkFromOnnx(OnnxBytes(sample.network), "file");
      const auto& found = dynamic_cast<const NormalizationLayer&>(*read.graph.layer(1).layer);
      EXPECT_EQ(found.options().operation_dimension, dimension);
    }
  for (const int64_t groups : {int64_t{3}, GroupNormalizationOptions::kAllChannels,
                               GroupNormalizationOptions::kChannelWise}) {
    const Sample sample = OnImages("gn", GroupNormalization({.num_groups = groups}));
    const Network read = NetworkFromOnnx(OnnxBytes(sample.network), "file");
    const auto& found = dynamic_cast<const NormalizationLayer&>(*read.graph.layer(1).layer);
    EXPECT_EQ(found.options().num_groups, groups);
  }
}

TEST(Onnx, KeepsPropertiesOfConvolution) {
  const Sample sample = OnImages("conv", Convolution2d({.name = "conv",
                                                        .filter_size = {3, 3},
                                                        .num_filters = 4,
                                                        .padding = Padding::Same(),
                                                        .weights_initializer = Initializer::kHe,
                                                        .weight_learn_rate_factor = 0.2,
                                                        .bias_learn_rate_factor = 0.3,
                                                        .weight_l2_factor = 0.4,
                                                        .bias_l2_factor = 0.5}));
  ExpectRoundTrip(sample.network, "convolution");
  const Network read = NetworkFromOnnx(OnnxBytes(sample.network), "file");
  const auto& o = dynamic_cast<const ConvolutionLayer&>(*read.graph.layer(1).layer).options();
  EXPECT_TRUE(o.padding.same);
  EXPECT_EQ(o.weights_initializer.kind, Initializer::kHe);
  EXPECT_EQ(o.bias_initializer.kind, Initializer::kZeros);
  EXPECT_EQ(o.weight_learn_rate_factor, 0.2);
  EXPECT_EQ(o.bias_l2_factor, 0.5);
}

// Bits that arithmetic would not keep.
TEST(Onnx, KeepsUnusualBits) {
  Network network = OnFeatures("fc", FullyConnected({.name = "fc", .output_size = 1})).network;
  const auto values = network.parameters.Get(*network.parameters.Find("fc.weights"));
  const uint32_t unusual[] = {0x80000000u, 1u, 0x80000001u, 0x7f7fffffu, 0x00800000u};
  for (size_t i = 0; i < std::size(unusual); ++i) values[i] = std::bit_cast<float>(unusual[i]);
  ExpectRoundTrip(network, "unusual bits");
}

TEST(Onnx, ChoosesTheOldestOpset) {
  const auto opset = [](const LayerPtr& layer) {
    return OnnxInfoOf(OnnxBytes(OnImages("x", layer).network), "file").opset;
  };
  EXPECT_EQ(opset(Relu()), 13);
  EXPECT_EQ(opset(InstanceNormalization()), 13);
  EXPECT_EQ(opset(BatchNormalization()), 15);
  EXPECT_EQ(opset(LayerNormalization()), 17);
  EXPECT_EQ(opset(Gelu()), 20);
  EXPECT_EQ(opset(GroupNormalization({.num_groups = 2})), 21);
  EXPECT_EQ(opset(RmsNormalization()), 23);
  const OnnxInfo info = OnnxInfoOf(OnnxBytes(ResidualNetwork()), "file");
  EXPECT_EQ(info.opset, 21);
  EXPECT_EQ(info.ir_version, 10);
  EXPECT_TRUE(info.producer.starts_with("normkit "));
}

// A layer may be called as another one's constant or helper node.
TEST(Onnx, NamesThatClash) {
  Graph graph;
  graph.Add(ImageInput({.name = "bn.scale", .input_size = {2, 2, 3}}));
  graph.Add(BatchNormalization({.name = "bn"}));
  graph.Add(LayerNormalization(
      {.name = "bn.scale/center", .operation_dimension = OperationDimension::kChannelOnly}));
  graph.Add(Relu("bn.scale/center/channels_last"));
  ExpectRoundTrip(MakeNetwork(std::move(graph)), "clash");
}

TEST(Onnx, OldFileOrNewFile) {
  const TestFolder folder;
  const std::string path = folder / "model.onnx";
  SaveOnnx(ResidualNetwork(), path);
  EXPECT_EQ(ReadFile(path), OnnxBytes(ResidualNetwork()));
  EXPECT_EQ(LoadOnnx(path).graph.num_layers(), ResidualNetwork().graph.num_layers());
}

// A file has no word for parameters that two layers share: each gets a copy, and a line says so.
TEST(Onnx, TiedParametersAreCopied) {
  Network network;
  network.graph.Add(FeatureInput({.num_features = 3}));
  network.graph.Add(FullyConnected({.name = "a", .output_size = 3}));
  network.graph.AddTied(FullyConnected({.name = "b", .output_size = 3}), {network.graph.output()},
                        "a");
  network.parameters = Parameters(network.graph);
  network.parameters.Initialize(network.graph, 1);
  const LogCapture log;
  const Network read = NetworkFromOnnx(OnnxBytes(network), "tied");
  ASSERT_EQ(log.lines().size(), 1u);
  EXPECT_NE(log.lines()[0].find("model file: fully connected 'b' has the parameters of 'a'; the "
                                "file holds a copy for each"),
            std::string::npos)
      << log.lines()[0];
  const auto& list = read.parameters;
  EXPECT_TRUE(std::ranges::equal(list.Get(*list.Find("b.weights")),
                                 network.parameters.Get(*network.parameters.Find("a.weights"))));
}

}  // namespace
}  // namespace normkit
