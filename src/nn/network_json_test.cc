#include <gtest/gtest.h>
#include <unistd.h>

#include "normkit/core/random.h"
#include "normkit/nn/networks.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/nn/layers/convolution.h"
#include "src/nn/layers/normalization.h"

namespace normkit {
namespace {

std::string ErrorOfFile(const std::string& text, const NetworkPurpose& purpose = {}) {
  return ErrorOf([&] { ParseNetworkJson(text, "net.json", purpose); });
}

// One layer behind an image input.
std::string ErrorOfLayer(const std::string& layer) {
  return ErrorOfFile(R"({"layers": [{"type": "image_input", "input_size": [8, 8, 2]}, )" + layer +
                     "]}");
}

const char* const kEverything = R"({"layers": [
  {"type": "image_input", "name": "in", "input_size": [12, 12, 3], "normalization": "zscore"},
  {"type": "convolution2d", "name": "conv", "filter_size": [3, 5], "num_filters": 8, "stride": 2,
   "dilation": [1, 1], "padding": [1, 0, 2, 2], "num_groups": 1, "bias": false,
   "weights_initializer": "he", "weight_l2_factor": 0.5},
  {"type": "batch_normalization", "epsilon": 1e-3, "mean_decay": 0.2},
  {"type": "relu", "name": "relu"},
  {"type": "layer_normalization", "operation_dimension": "channel-only"},
  {"type": "group_normalization", "num_groups": "all-channels"},
  {"type": "group_normalization", "num_groups": 4},
  {"type": "instance_normalization", "scale_initializer": "ones"},
  {"type": "rms_normalization", "name": "rms", "scale": [1, 2, 3, 4, 5, 6, 7, 8]},
  {"type": "addition", "inputs": ["relu", "rms"]},
  {"type": "leaky_relu", "scale": 0.2},
  {"type": "tanh"}, {"type": "sigmoid"}, {"type": "gelu", "name": "gelu"},
  {"type": "max_pooling2d", "pool_size": 2, "padding": "same"},
  {"type": "average_pooling2d", "name": "pool", "pool_size": [2, 1], "padding": [1, 0, 0, 0]},
  {"type": "concatenation", "inputs": ["gelu", "pool"]},
  {"type": "dropout", "probability": 0.1},
  {"type": "global_average_pooling2d"},
  {"type": "flatten"},
  {"type": "fully_connected", "output_size": 4},
  {"type": "softmax"}
]})";

TEST(NetworkJsonTest, ReadsEveryTypeAndProperty) {
  const Graph graph = ParseNetworkJson(kEverything, "net.json");
  EXPECT_EQ(graph.num_layers(), 22);
  const auto& conv = dynamic_cast<const ConvolutionLayer&>(*graph.layer(1).layer).options();
  EXPECT_EQ(conv.filter_size, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(conv.stride, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(conv.padding.top, 1);
  EXPECT_EQ(conv.padding.right, 2);
  EXPECT_FALSE(conv.bias);
  EXPECT_EQ(conv.weight_l2_factor, 0.5);
  const auto& batch = dynamic_cast<const NormalizationLayer&>(*graph.layer(2).layer);
  EXPECT_EQ(batch.options().epsilon, 1e-3);
  EXPECT_EQ(batch.options().mean_decay, 0.2);
  EXPECT_EQ(dynamic_cast<const NormalizationLayer&>(*graph.layer(5).layer).options().num_groups,
            GroupNormalizationOptions::kAllChannels);
  EXPECT_EQ(graph.layer(9).inputs,
            (std::vector<Value>{graph.layer(3).output(), graph.layer(8).output()}));
  EXPECT_EQ(graph.Infer(2).types.back().shape.ToString(), "BC [2,4]");
}

// The names that the toolbox has for layers, properties and values.
TEST(NetworkJsonTest, ReadsSpellingsOfTheToolbox) {
  const Graph graph = ParseNetworkJson(R"({"layers": [
    {"type": "imageInputLayer", "InputSize": [8, 8, 3], "Normalization": "rescale-zero-one"},
    {"type": "convolution2dLayer", "Name": "conv", "FilterSize": [3, 3], "NumFilters": 8,
     "Stride": 2, "DilationFactor": 1, "Padding": "same", "WeightsInitializer": "narrow-normal"},
    {"type": "batchNormalizationLayer", "Epsilon": 1e-3, "NumChannels": "auto",
     "ScaleLearnRateFactor": 2},
    {"type": "groupNormalizationLayer", "NumGroups": "channel-wise"},
    {"type": "layerNormalizationLayer", "OperationDimension": "channel-only"},
    {"type": "leakyReluLayer", "Scale": 0.2},
    {"type": "depthConcatenationLayer", "Inputs": ["conv", "leakyrelu_1"]},
    {"type": "globalAveragePooling2dLayer"}, {"type": "flattenLayer"},
    {"type": "fullyConnectedLayer", "OutputSize": 3}, {"type": "softmaxLayer"}]})",
                                       "net.json");
  EXPECT_EQ(graph.num_layers(), 11);
  const auto& conv = dynamic_cast<const ConvolutionLayer&>(*graph.layer(1).layer);
  EXPECT_EQ(conv.name(), "conv");
  EXPECT_TRUE(conv.options().padding.same);
  EXPECT_EQ(conv.options().weights_initializer.kind, Initializer::kNarrowNormal);
  const auto& batch = dynamic_cast<const NormalizationLayer&>(*graph.layer(2).layer).options();
  EXPECT_EQ(batch.epsilon, 1e-3);
  EXPECT_EQ(batch.num_channels, std::nullopt);
  EXPECT_EQ(batch.scale_learn_rate_factor, 2);
  EXPECT_EQ(dynamic_cast<const NormalizationLayer&>(*graph.layer(3).layer).options().num_groups,
            kChannelWise);
  EXPECT_EQ(graph.Infer(2).types.back().shape.ToString(), "BC [2,3]");
}

TEST(NetworkJsonTest, ReadsNetworksOfSequences) {
  for (const auto& [input, pool] :
       {std::pair(R"("sequence_input", "num_features": 4)", "global_average_pooling1d"),
        std::pair(R"("sequenceInputLayer", "InputSize": 4)", "globalAveragePooling1dLayer"),
        std::pair(R"("sequence_input", "num_features": 4)", "last_step")}) {
    const std::string text = std::string(R"({"layers": [{"type": )") + input +
                             R"(}, {"type": "fully_connected", "output_size": 3},
                                {"type": "rms_normalization"}, {"type": ")" +
                             pool + R"("}, {"type": "softmax"}]})";
    const Graph graph = ParseNetworkJson(text, "net.json");
    EXPECT_EQ(graph.input_layout().ToString(), "TC [1,4]");
    EXPECT_EQ(graph.layout(graph.output()).ToString(), "BC [1,3]");
  }
}

TEST(NetworkJsonTest, ThePurposeFillsWhatIsLeftOpen) {
  const std::string text = R"({"layers": [
    {"type": "image_input"}, {"type": "flatten"}, {"type": "fully_connected", "output_size": 8},
    {"type": "norm", "name": "n"}, {"type": "relu", "inputs": "n"}, {"type": "fully_connected"}]})";
  NetworkPurpose purpose{.input_size = {4, 4, 3}, .num_classes = 7};
  for (const char* norm : {"batch", "none"}) {
    purpose.norm = ParseNormChoice(norm);
    const Graph graph = ParseNetworkJson(text, "net.json", purpose);
    EXPECT_EQ(graph.num_layers(), norm == std::string("none") ? 5 : 6);
    EXPECT_EQ(graph.input_layout().ToString(), "BSSC [1,4,4,3]");
    EXPECT_EQ(graph.layout(graph.output()).ToString(), "BC [1,7]");
  }
  EXPECT_EQ(ErrorOfFile(text), "net.json: layers[0]: property 'input_size' is missing");
}

TEST(NetworkJsonTest, ReadsFiles) {
  const std::string path = testing::TempDir() + "network_json_test.json";
  WriteFile(path, R"({"layers": [{"type": "feature_input", "num_features": 3}]})");
  EXPECT_EQ(ReadNetworkJson(path).num_layers(), 1);
  ::unlink(path.c_str());
  EXPECT_EQ(ErrorOf([&] { ReadNetworkJson(path); }).substr(0, path.size()), path);
}

TEST(NetworkJsonTest, ErrorsOfTheFile) {
  EXPECT_EQ(ErrorOfFile("{\n  \"layers\": [,]}").substr(0, 28), "net.json:2:14: not JSON: syn");
  EXPECT_EQ(ErrorOfFile("{\"layers\": 30e460}"),
            "net.json: number overflow parsing '30e460', expected numbers up to 1.8e308");
  EXPECT_EQ(ErrorOfFile("[]"), "net.json: expected an object with a list 'layers'");
  EXPECT_EQ(ErrorOfFile(R"({"layer": []})"), "net.json: expected an object with a list 'layers'");
  EXPECT_EQ(ErrorOfFile(R"({"layers": [], "layer": 1})"),
            "net.json: property 'layer' is unknown, expected layers, did you mean 'layers'?");
  EXPECT_EQ(ErrorOfFile(R"({"layers": []})"), "net.json: 0 layers given, expected 1 to 10000");
  EXPECT_EQ(ErrorOfFile(R"({"layers": [3]})"), "net.json: layers[0]: expected an object");
  EXPECT_EQ(ErrorOfFile(R"({"layers": [], "layers": []})"),
            "net.json: 'layers' stands twice in one object");
}

TEST(NetworkJsonTest, ErrorsOfLayers) {
  EXPECT_EQ(ErrorOfFile(R"({"layers": [{}]})"), "net.json: layers[0]: property 'type' is missing");
  EXPECT_EQ(ErrorOfFile(R"({"layers": [{"type": "relu"}]})"),
            "net.json: layers[0]: ReLU 'relu_1': stands first in the graph, expected an input "
            "layer");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "convoluton2d", "name": "c"})"),
            "net.json: layers[1] 'c': type 'convoluton2d' is unknown, did you mean "
            "'convolution2d'?");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "lost"})").substr(0, 74),
            "net.json: layers[1]: type 'lost' is unknown, expected one of adaptive_inst");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "relu", "inputs": "imageinput1"})"),
            "net.json: layers[1]: input 'imageinput1' is not the name of an earlier layer, did you "
            "mean 'imageinput_1'?");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "relu", "nam": "r"})"),
            "net.json: layers[1]: property 'nam' is unknown, expected inputs, name, type, did you "
            "mean 'name'?");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "norm", "inputs": ["imageinput_1", "imageinput_1"]})"),
            "net.json: layers[1]: batch normalization 'batchnorm_1': 2 inputs given, expected 1");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "fully_connected", "name": "fc", "output_size": 3})"),
            "net.json: layers[1] 'fc': fully connected 'fc': input is BSSC [1,8,8,2], expected "
            "features, BC [batch,channels] or TC [rows,channels]: flatten images first");
}

TEST(NetworkJsonTest, ErrorsOfProperties) {
  const auto convolution = [](const std::string& rest) {
    return ErrorOfLayer(R"({"type": "convolution2d", )" + rest + "}");
  };
  EXPECT_EQ(convolution(R"("filter_size": "3")"),
            "net.json: layers[1]: property 'filter_size' is \"3\", expected a number or [height, "
            "width]");
  EXPECT_EQ(convolution(R"("filter_size": [3, 3.5])"),
            "net.json: layers[1]: property 'filter_size' is 3.5, expected an integer");
  EXPECT_EQ(convolution(R"("filter_size": 1e300)"),
            "net.json: layers[1]: property 'filter_size' is 1e+300, expected an integer");
  EXPECT_EQ(convolution(R"("filter_size": 3)"),
            "net.json: layers[1]: property 'num_filters' is missing");
  // As docs/network-json.md promises.
  EXPECT_EQ(convolution(R"("name": "conv1", "filter_sizes": 3, "num_filters": 2)"),
            "net.json: layers[1] 'conv1': property 'filter_sizes' is unknown, did you mean "
            "'filter_size'?");
  EXPECT_EQ(convolution(R"("KernelSize": 3, "num_filters": 2)"),
            "net.json: layers[1]: property 'KernelSize' is unknown, did you mean 'filter_size'?");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "group_normalization", "groups": 2})"),
            "net.json: layers[1]: property 'groups' is unknown, did you mean 'num_groups'?");
  EXPECT_EQ(convolution(R"("filter_size": 3, "num_filters": 2, "padding": [1, 2])"),
            "net.json: layers[1]: property 'padding' is [1,2], expected \"same\", a number or "
            "[top, bottom, left, right]");
  const std::string sized = R"("filter_size": 3, "num_filters": 2, )";
  EXPECT_EQ(convolution(sized + R"("bias": 1)"),
            "net.json: layers[1]: property 'bias' is 1, expected true or false");
  EXPECT_EQ(convolution(sized + R"("bias_l2_factor": "x")"),
            "net.json: layers[1]: property 'bias_l2_factor' is \"x\", expected a number");
  EXPECT_EQ(convolution(sized + R"("name": 1)"),
            "net.json: layers[1]: property 'name' is 1, expected a text");
  EXPECT_EQ(convolution(sized + R"("weights_initializer": "glorott")"),
            "net.json: layers[1]: property 'weights_initializer' is \"glorott\", expected zeros, "
            "ones, narrow-normal, glorot, he, fan-in-uniform, orthogonal, unit-forget-gate, did "
            "you mean 'glorot'?");
  EXPECT_EQ(ErrorOfFile(R"({"layers": [{"type": "image_input", "input_size": 8}]})"),
            "net.json: layers[0]: property 'input_size' is 8, expected [height, width, channels]");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "batch_normalization", "scale": 1})"),
            "net.json: layers[1]: property 'scale' is 1, expected a list of numbers");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "batch_normalization", "scale": ["a"]})"),
            "net.json: layers[1]: property 'scale' is \"a\", expected a list of numbers");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "group_normalization", "num_groups": "all"})"),
            "net.json: layers[1]: property 'num_groups' is \"all\", expected a number, "
            "\"all-channels\" or \"channel-wise\"");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "relu", "inputs": 0})"),
            "net.json: layers[1]: property 'inputs' is 0, expected a name or a list of names");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "relu", "inputs": [0]})"),
            "net.json: layers[1]: property 'inputs' is 0, expected a name or a list of names");
  EXPECT_EQ(
      ErrorOfLayer(R"({"type": "layer_normalization", "operation_dimension": "chanel-only"})"),
      "net.json: layers[1]: property 'operation_dimension' is \"chanel-only\", expected "
      "batch-excluded, auto, channel-only, spatial-channel, did you mean 'channel-only'?");
  EXPECT_EQ(
      ErrorOfLayer(R"({"type": "layer_normalization", "trained_mean": [1, 2]})").substr(0, 64),
      "net.json: layers[1]: property 'trained_mean' is unknown, expecte");
  EXPECT_EQ(ErrorOfLayer(R"({"type": "batch_normalization", "epsilon": 1, "Epsilon": 2})"),
            "net.json: layers[1]: property 'epsilon' stands twice, in two spellings");
}

TEST(NetworkJsonTest, NumbersAreDecimalAndInRange) {
  const auto filters = [](const std::string& number) {
    return ErrorOfLayer(R"({"type": "convolution2d", "filter_size": 3, "num_filters": )" + number +
                        "}");
  };
  for (const char* text : {"010", "+1", "0x10", "nan", "inf", "1_000", ""})
    EXPECT_EQ(filters(text).substr(0, 8), "net.json") << text;
  for (const char* text : {"010", "+1", "nan"})
    EXPECT_NE(filters(text).find("not JSON"), std::string::npos) << text;
  for (const char* text : {"1.5", "18446744073709551616", "99999999999999999999", "1e300"})
    EXPECT_NE(filters(text).find("expected an integer"), std::string::npos) << filters(text);
  EXPECT_NE(filters("-1").find("-1"), std::string::npos) << filters("-1");
  EXPECT_NE(filters(std::string(400, '1')).find("expected numbers up to"), std::string::npos);
  EXPECT_EQ(ErrorOfLayer(R"({"type": "batch_normalization", "scale": [1, 1e39]})"),
            "net.json: layers[1]: property 'scale' is 1e+39, expected a list of numbers up to "
            "3.4e38 (32-bit floats)");
}

// Whatever the bytes: a graph or an Error, and nothing else.
TEST(NetworkJsonTest, MutatedFilesAreReadOrRefused) {
  const std::string original = kEverything;
  const std::string letters = "{}[]\",:0123456789.eE-+ \\ntrufals\xff";
  int refused = 0;
  for (uint64_t stream = 0; stream < 3000; ++stream) {
    Random random(1, stream);
    std::string text = original;
    for (int64_t edits = 1 + random.Below(4); edits > 0; --edits) {
      const auto at = static_cast<size_t>(random.Below(static_cast<int64_t>(text.size())));
      const char letter =
          letters[static_cast<size_t>(random.Below(static_cast<int64_t>(letters.size())))];
      switch (random.Below(3)) {
        case 0:
          text[at] = letter;
          break;
        case 1:
          text.insert(at, 1, letter);
          break;
        default:
          text.erase(at, static_cast<size_t>(1 + random.Below(20)));
      }
    }
    const std::string error = ErrorOfFile(text);
    refused += error != "no error";
    if (error != "no error") {
      EXPECT_EQ(error.substr(0, 8), "net.json");
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace normkit
