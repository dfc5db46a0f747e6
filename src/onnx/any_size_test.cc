// Networks of images of any size: written, read by the importer, the same numbers.
#include <gtest/gtest.h>

#include <algorithm>

#include "normkit/graph/executor.h"
#include "normkit/nn/layers.h"
#include "normkit/onnx/import.h"
#include "normkit/onnx/onnx.h"
#include "src/onnx/model.h"

namespace normkit {
namespace {

constexpr int64_t kStyles = 3;

Network Conditional() {
  Graph graph;
  const Value image = graph.Add(ImageInput(
      {.name = "image", .input_size = {8, 8, 3}, .normalization = InputNormalization::kZscore}));
  const Value style = graph.Add(FeatureInput({.name = "style", .num_features = kStyles}), {});
  const auto norm = [&](const std::string& name, Value x) {
    return graph.Add(ConditionalInstanceNormalization({.name = name, .num_styles = kStyles}),
                     {x, style});
  };
  Value x = graph.Add(ReflectionPadding2d({.padding = Padding::All(1)}), {image});
  x = norm("norm1", graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 4}), {x}));
  x = graph.Add(Upsampling2d(), {graph.Add(Relu(), {x})});
  x = graph.Add(Convolution2d({.filter_size = {1, 1}, .num_filters = 4}), {x});
  x = graph.Add(InstanceNormalization({.affine = false}), {x});
  graph.Add(AdaptiveInstanceNormalization(),
            {x, graph.Add(FullyConnected({.output_size = 4}), {style}),
             graph.Add(FullyConnected({.output_size = 4}), {style})});
  Network network;
  network.parameters = Parameters(graph);
  network.parameters.Initialize(graph, 3);
  Random random(5);
  for (const Parameter& p : network.parameters.list())
    for (float& value : network.parameters.Get(p))
      value = static_cast<float>(random.Uniform(0.2, 1.5));
  network.graph = std::move(graph);
  network.facts = {{"Image.NominalPixelRange", "Normalized_0_1"}};
  return network;
}

// [height,width,3] of one picture and weights of the styles.
std::vector<float> Answer(const Graph& graph, const Parameters& parameters, int64_t height,
                          int64_t width) {
  Tensor picture(Layout::Make("BSSC", std::vector<int64_t>{1, height, width, 3})),
      style(Layout::Make("BC", std::vector<int64_t>{1, kStyles}));
  Random random(11);
  for (float& value : picture.values<float>()) value = static_cast<float>(random.Uniform(0, 1));
  for (float& value : style.values<float>()) value = static_cast<float>(random.Uniform(0, 1));
  const ArrayView inputs[] = {picture.view(), style.view()};
  Executor executor(graph, {});
  const std::span<const float> y = executor.Run(parameters, inputs).values<float>();
  return {y.begin(), y.end()};
}

TEST(OnnxOfAnySizeTest, IsReadForEverySize) {
  const Network network = Conditional();
  const ImportedNetwork read =
      NetworkFromOthers(OnnxBytes(network, ImageSizes::kAny), "m.onnx", "", {});
  ASSERT_EQ(read.inputs.size(), 2u);
  EXPECT_EQ(read.inputs[0].name, "image");
  EXPECT_EQ(read.inputs[0].shape, (std::vector<int64_t>{-1, 3, -1, -1}));
  EXPECT_TRUE(read.inputs[0].channels_last);
  EXPECT_EQ(read.inputs[1].shape, (std::vector<int64_t>{-1, kStyles}));
  EXPECT_EQ(read.picture.largest, 1);
  for (const auto& [height, width] : {std::pair{8, 8}, {12, 7}}) {
    const std::vector<float> expected = Answer(network.graph, network.parameters, height, width),
                             y = Answer(read.network.graph, read.network.parameters, height, width);
    ASSERT_EQ(y.size(), expected.size());
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-5) << i;
  }
}

TEST(OnnxOfAnySizeTest, SeveralInputsStandInNoOtherFile) {
  try {
    static_cast<void>(OnnxBytes(Conditional()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "model file: the network has 2 inputs, expected 1 (SaveOnnxOfAnySize writes "
                 "others)");
  }
}

TEST(OnnxOfAnySizeTest, AttentionIsOfOneSize) {
  for (const auto& [layer, title] :
       {std::pair{PositionEmbedding({.name = "p", .max_position = 12}), "position embedding 'p'"},
        {SelfAttention({.name = "a", .num_heads = 1, .num_key_channels = 2}),
         "self-attention 'a'"}}) {
    Network network;
    network.graph.Add(
        ImageInput({.input_size = {4, 3, 2}, .normalization = InputNormalization::kNone}));
    network.graph.Add(layer);
    network.parameters = Parameters(network.graph);
    network.parameters.Initialize(network.graph, 1);
    EXPECT_NO_THROW(static_cast<void>(OnnxBytes(network)));
    try {
      static_cast<void>(OnnxBytes(network, ImageSizes::kAny));
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), std::string("model file: ") + title +
                                  " is written for pictures of one size, expected layers for any "
                                  "size (SaveOnnx writes it)");
    }
  }
}

}  // namespace
}  // namespace normkit
