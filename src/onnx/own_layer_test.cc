// A layer of a program's own in network files and models.
#include "normkit/nn/own_layer.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "normkit/nn/networks.h"
#include "src/core/testing.h"
#include "src/onnx/damaged.h"
#include "src/onnx/model.h"
#include "src/onnx/sequence_testing.h"
#include "src/ops/functions.h"
#include "src/ops/ops.h"

namespace normkit {
namespace {

// cos(scale x), a scale a channel; `power` is a number of its own.
class WaveLayer : public Layer {
 public:
  WaveLayer(std::string name, double power, std::string_view type = "test_wave")
      : Layer(std::move(name)), power_(power), type_(type) {}
  double power() const { return power_; }
  std::string_view type() const override { return type_; }
  std::string_view short_name() const override { return "wave"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override {
    const Value scale = graph.AddParameter(
        {"scale", {graph.layout(inputs[0]).channels()}, [](std::span<float> values, Random&) {
           std::ranges::fill(values, 1.f);
         }});
    const Value inner = graph.AddNode(ops::ChannelScale(), {inputs[0], scale}).front();
    return graph.AddNode(ops::MakeFunction(ops::FindFunction("cosine")), {inner});
  }

 private:
  double power_;
  std::string_view type_;
};

// Cos, which no layer of this library is written as.
void WriteWave(const Layer&, OnnxLayerNodes& nodes) {
  const Layout& x = nodes.layouts().at(0);
  std::vector<int64_t> shape{x.channels()};
  if (!x.packed()) shape.resize(static_cast<size_t>(x.rank()) - 1, 1);
  const std::string scale = nodes.ParameterConstant("scale", shape);
  const std::string inner = nodes.Node("Mul", "inner", {nodes.inputs().at(0), scale});
  nodes.set_output(nodes.Node("Cos", "", {inner}));
  nodes.NeedOpset(18);
}

void RegisterWave() {
  static const bool once = [] {
    RegisterLayer({.type = "test_wave",
                   .read = [](const std::string& name, const std::string& properties) -> LayerPtr {
                     const auto object = nlohmann::json::parse(properties);
                     return std::make_shared<WaveLayer>(name, object.at("power").get<double>());
                   },
                   .write =
                       [](const Layer& layer) {
                         const double power = dynamic_cast<const WaveLayer&>(layer).power();
                         return nlohmann::json{{"power", power}}.dump();
                       },
                   .write_onnx = WriteWave});
    return true;
  }();
  static_cast<void>(once);
}

TEST(OwnLayerTest, StandsInModels) {
  RegisterWave();
  const Sample sample = OnImages("own", std::make_shared<WaveLayer>("wave", 0.25));
  const std::string bytes = OnnxBytes(sample.network);
  const Network read = NetworkFromOnnx(bytes, "own");
  const LayerRecord& record = read.graph.layers().back();
  EXPECT_EQ(record.layer->name(), "wave");
  EXPECT_EQ(dynamic_cast<const WaveLayer&>(*record.layer).power(), 0.25);
  EXPECT_TRUE(std::ranges::equal(read.parameters.values(), sample.network.parameters.values()));
  EXPECT_EQ(OnnxBytes(read), bytes);
  EXPECT_EQ(OnnxInfoOf(bytes, "own").opset, 18);
}

TEST(OwnLayerTest, StandsInModelsOfSequences) {
  RegisterWave();
  const Sample sample = OnSequences("own", {std::make_shared<WaveLayer>("wave", 2)});
  const std::string bytes = OnnxBytes(sample.network);
  const Network read = NetworkFromOnnx(bytes, "own");
  EXPECT_EQ(dynamic_cast<const WaveLayer&>(*read.graph.layers().back().layer).power(), 2);
  EXPECT_TRUE(std::ranges::equal(read.parameters.values(), sample.network.parameters.values()));
  EXPECT_EQ(OnnxBytes(read), bytes);
}

TEST(OwnLayerTest, StreamsOnlyWhereItReadsNoSteps) {
  RegisterWave();
  const auto wave = std::make_shared<WaveLayer>("wave", 2);
  const auto error = [](const std::vector<LayerPtr>& layers) {
    return ErrorOf([&] {
      static_cast<void>(
          OnnxBytes(OnSequences("own", layers).network, ImageSizes::kFixed, /*streams=*/true));
    });
  };
  EXPECT_EQ(error({wave}),
            "test_wave 'wave': is a program's own, and may look at other steps, expected in a "
            "network that streams LSTM and GRU forward from zeros, and layers that see each step "
            "by itself");
  EXPECT_EQ(error({LastStep(), wave}), "no error");
}

TEST(OwnLayerTest, FilesThatSayOtherwise) {
  RegisterWave();
  const std::string bytes =
      OnnxBytes(OnImages("own", std::make_shared<WaveLayer>("wave", 0.25)).network);
  EXPECT_EQ(
      Damaged::MessageAfter(bytes, [](auto& m) { Damaged::Node(m, "wave")->set_op_type("Sin"); }),
      "m.onnx: node 'wave' (Sin): is not what layer 'wave' of the metadata does, expected "
      "its 'wave' (Cos)");
  EXPECT_EQ(
      Damaged::MessageAfter(bytes, [](auto& m) { m.mutable_opset_import(0)->set_version(17); }),
      "m.onnx: node 'wave/inner' (Mul): begins a layer in a model of opset 17, expected at "
      "least 18");
}

TEST(OwnLayerTest, StandsInNetworkFiles) {
  RegisterWave();
  const std::string text = R"({"layers": [{"type": "feature_input", "num_features": 3},
                                          {"type": "test_wave", "name": "w", "power": 2}]})";
  const Graph graph = ParseNetworkJson(text, "net.json");
  EXPECT_EQ(dynamic_cast<const WaveLayer&>(*graph.layers().back().layer).power(), 2);
  const auto message = [](const std::string& layer) {
    return ErrorOf([&] {
      ParseNetworkJson(
          R"({"layers": [{"type": "feature_input", "num_features": 3}, )" + layer + "]}",
          "net.json");
    });
  };
  EXPECT_TRUE(
      message(R"({"type": "test_wave", "name": "w"})").starts_with("net.json: layers[1] 'w': "));
  EXPECT_EQ(message(R"({"type": "test_wav", "name": "w"})"),
            "net.json: layers[1] 'w': type 'test_wav' is unknown, did you mean 'test_wave'?");
}

// Of a program whose functions do what they should not.
TEST(OwnLayerTest, FunctionsThatDoNotFit) {
  const auto layer = [](double power) {
    return OnFeatures("own", std::make_shared<WaveLayer>("wave", power, "test_odd")).network;
  };
  RegisterLayer({.type = "test_odd",
                 .read = [](const std::string&, const std::string& properties) -> LayerPtr {
                   if (properties == "{}") return nullptr;
                   return std::make_shared<WaveLayer>("another", 1);
                 },
                 .write = [](const Layer& written) -> std::string {
                   const double power = dynamic_cast<const WaveLayer&>(written).power();
                   if (power == 2) return nlohmann::json::object().at("x").dump();
                   return power == 0 ? "[]" : power == 1 ? R"({"name": "x"})" : "{}";
                 },
                 .write_onnx =
                     [](const Layer& written, OnnxLayerNodes& nodes) {
                       const double power = dynamic_cast<const WaveLayer&>(written).power();
                       if (power == 3) return;
                       nodes.set_output(nodes.Node("Identity", "", {nodes.inputs()[0]}));
                       if (power == 4) nodes.NeedOpset(30);
                     }});
  EXPECT_ERROR(OnnxBytes(layer(0)), "test_odd 'wave': is written as no JSON object, expected one");
  EXPECT_ERROR(OnnxBytes(layer(1)),
               "test_odd 'wave': is written with a property 'name', which every layer has");
  EXPECT_ERROR(OnnxBytes(layer(2)),
               "test_odd 'wave': [json.exception.out_of_range.403] key 'x' not found");
  EXPECT_ERROR(OnnxBytes(layer(3)),
               "test_odd 'wave': its nodes give nothing, expected a call of set_output");
  EXPECT_ERROR(OnnxBytes(layer(4)), "test_odd 'wave': asks for opset 30, expected at most 23");
  EXPECT_ERROR(NetworkFromOnnx(OnnxBytes(layer(5)), "own"),
               "own: metadata 'normkit.layers': layer 'wave': no layer is made of {}");
  EXPECT_ERROR(ParseNetworkJson(R"({"layers": [{"type": "feature_input", "num_features": 3},
                                               {"type": "test_odd", "name": "o", "x": 1}]})",
                                "net.json"),
               "net.json: layers[1] 'o': is read as test_wave 'another', expected test_odd 'o'");
}

// What OnnxBytes says of a layer of 6 channels whose nodes `write` writes.
std::string MessageOf(std::function<void(OnnxLayerNodes&)> write) {
  static std::function<void(OnnxLayerNodes&)> now;
  static const bool once = [] {
    RegisterLayer({.type = "test_nodes",
                   .read = [](const std::string&, const std::string&) -> LayerPtr {
                     return std::make_shared<WaveLayer>("wave", 0, "test_nodes");
                   },
                   .write = [](const Layer&) -> std::string { return "{}"; },
                   .write_onnx = [](const Layer&, OnnxLayerNodes& nodes) { now(nodes); }});
    return true;
  }();
  static_cast<void>(once);
  now = std::move(write);
  return ErrorOf([] {
    OnnxBytes(OnFeatures("own", std::make_shared<WaveLayer>("wave", 0, "test_nodes")).network);
  });
}

TEST(OwnLayerTest, ConstantsOfAnotherSize) {
  for (const auto& [shape, text] : std::vector<std::pair<std::vector<int64_t>, std::string>>{
           {{12}, "12"},
           {{3}, "3"},
           {{}, ""},
           {{-1, -6}, "-1,-6"},
           {{int64_t{1} << 62, 4, 6}, "4611686018427387904,4,6"}}) {
    EXPECT_EQ(MessageOf([&](auto& nodes) { nodes.ParameterConstant("scale", shape); }),
              "test_nodes 'wave': constant 'scale' is [" + text + "], expected 6 elements");
    EXPECT_EQ(MessageOf([&](auto& nodes) {
                nodes.Constant("n", shape, std::span<const float>(std::vector<float>(6)));
              }),
              "test_nodes 'wave': constant 'n' is [" + text + "], expected 6 elements");
    EXPECT_EQ(MessageOf([&](auto& nodes) {
                nodes.Constant("n", shape, std::span<const int64_t>(std::vector<int64_t>(6)));
              }),
              "test_nodes 'wave': constant 'n' is [" + text + "], expected 6 elements");
  }
}

TEST(OwnLayerTest, NodesThatCannotBeReadAgain) {
  const std::string own = "test_nodes 'wave': ";
  const std::string attribute =
      own + "has an attribute before its first node, expected it behind one";
  EXPECT_EQ(MessageOf([](auto& nodes) { nodes.Int("axis", 1); }), attribute);
  EXPECT_EQ(MessageOf([](auto& nodes) { nodes.Float("alpha", 1); }), attribute);
  EXPECT_EQ(MessageOf([](auto& nodes) { nodes.Ints("axes", {1}); }), attribute);
  EXPECT_EQ(MessageOf([](auto& nodes) { nodes.Text("mode", "x"); }), attribute);
  EXPECT_EQ(MessageOf([](auto& nodes) {
              nodes.Node("Identity", "", {nodes.inputs()[0]});
              nodes.set_output("wav");
            }),
            own + "the output is 'wav', expected what one of its nodes gives");
  EXPECT_EQ(MessageOf([](auto& nodes) { nodes.set_output(nodes.inputs()[0]); }),
            own + "the output is 'input', expected what one of its nodes gives");
  EXPECT_EQ(MessageOf([](auto& nodes) {
              nodes.ParameterConstant("scale", {6});
              nodes.set_output(nodes.Node("Identity", "", {nodes.inputs()[0]}));
            }),
            own + "no node reads the constant of parameter 'scale', expected one");
  EXPECT_EQ(MessageOf([](auto& nodes) { nodes.Node("Identity", "a/b", {nodes.inputs()[0]}); }),
            own + "a node is called 'a/b', expected a name without /");
  EXPECT_EQ(MessageOf([](auto&) { throw std::runtime_error("not\ntoday"); }), own + "not\\ntoday");
}

TEST(OwnLayerTest, Errors) {
  RegisterWave();
  const OwnLayer whole{
      .type = "test_wave",
      .read = [](const std::string&, const std::string&) -> LayerPtr { return nullptr; },
      .write = [](const Layer&) -> std::string { return "{}"; }};
  EXPECT_ERROR(RegisterLayer(whole), "registering layer 'test_wave': there is one of that type");
  OwnLayer other = whole;
  other.type = "relu";
  EXPECT_ERROR(RegisterLayer(other), "registering layer 'relu': there is one of that type");
  other.type = "a b";
  EXPECT_ERROR(RegisterLayer(other),
               "registering a layer: type 'a b' is given, expected letters, digits and _");
  other = {.type = "test_other"};
  EXPECT_ERROR(RegisterLayer(other),
               "registering layer 'test_other': expected a function that reads it and one that "
               "writes it");
}

}  // namespace
}  // namespace normkit
