// Whole model files that say something no layer does, and networks that no model file can say.
#include <gtest/gtest.h>

#include <string>

#include "src/core/testing.h"
#include "src/onnx/damaged.h"
#include "src/onnx/testing.h"
#include "src/ops/ops.h"

namespace normkit {
namespace {

using onnx::AttributeProto;

class Unsupported : public ::testing::Test, protected Damaged {
 protected:
  // The only layer of the sample is 'layer'.
  template <class Damage>
  static std::string Images(const LayerPtr& layer, const Damage& damage) {
    return MessageAfter(OnnxBytes(OnImages("", layer).network), damage);
  }
  template <class Damage>
  static std::string Features(const LayerPtr& layer, const Damage& damage) {
    return MessageAfter(OnnxBytes(OnFeatures("", layer).network), damage);
  }

  static AttributeProto* Add(onnx::ModelProto& model, const std::string& node,
                             const std::string& name, AttributeProto::AttributeType type) {
    AttributeProto* attribute = Node(model, node)->add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    return attribute;
  }
  static auto SetText(const std::string& node, const std::string& name, const std::string& text) {
    return [=](onnx::ModelProto& m) { Add(m, node, name, AttributeProto::STRING)->set_s(text); };
  }
  static auto SetInt(const std::string& node, const std::string& name, int64_t value) {
    return [=](onnx::ModelProto& m) { Add(m, node, name, AttributeProto::INT)->set_i(value); };
  }
};

TEST_F(Unsupported, OneAxisTooFew) {
  EXPECT_EQ(Features(FullyConnected({.name = "fc", .output_size = 2}),
                     [](auto& m) { Tensor(m, "fc.weights")->add_dims(1); }),
            "m.onnx: node 'fc' (Gemm): weights 'fc.weights' have 3 axes, expected 2");
  EXPECT_EQ(
      Images(Convolution2d({.name = "c", .filter_size = {1, 1}, .num_filters = 2}),
             [](auto& m) { Tensor(m, "c.weights")->add_dims(1); }),
      "m.onnx: node 'c' (Conv): weights 'c.weights' have 5 axes, expected 4 (convolution over "
      "2 dimensions of space)");
}

TEST_F(Unsupported, ValuesOfAttributes) {
  EXPECT_EQ(Images(Gelu("g"), SetText("g", "approximate", "tanh")),
            "m.onnx: node 'g' (Gelu): attribute 'approximate' is 'tanh', expected 'none' (the only "
            "one supported)");
  EXPECT_EQ(Features(FullyConnected({.name = "fc", .output_size = 2}), SetInt("fc", "transA", 1)),
            "m.onnx: node 'fc' (Gemm): attribute 'transA' is 1, expected 0 (the only one "
            "supported)");
  EXPECT_EQ(Features(FullyConnected({.name = "fc", .output_size = 2}),
                     [](auto& m) { Add(m, "fc", "alpha", AttributeProto::FLOAT)->set_f(2); }),
            "m.onnx: node 'fc' (Gemm): attribute 'alpha' is 2, expected 1");
}

TEST_F(Unsupported, Windows) {
  const LayerPtr pool =
      MaxPooling2d({.name = "p", .pool_size = {2, 2}, .stride = {2, 2}, .padding = {}});
  EXPECT_EQ(Images(pool, SetText("p", "auto_pad", "SAME_LOWER")),
            "m.onnx: node 'p' (MaxPool): attribute 'auto_pad' is 'SAME_LOWER', expected NOTSET, "
            "VALID or SAME_UPPER");
  EXPECT_EQ(Images(pool, SetInt("p", "ceil_mode", 1)),
            "m.onnx: node 'p' (MaxPool): attribute 'ceil_mode' is 1, expected 0 (the only one "
            "supported)");
  EXPECT_EQ(Images(pool,
                   [](auto& m) {
                     AttributeProto* dilations = Add(m, "p", "dilations", AttributeProto::INTS);
                     dilations->add_ints(2);
                     dilations->add_ints(2);
                   }),
            "m.onnx: node 'p' (MaxPool): attribute 'dilations' is [2,2], expected [1,1]");
  EXPECT_EQ(
      Images(AveragePooling2d({.name = "p", .pool_size = {2, 2}, .padding = Padding::All(1)}),
             [](auto& m) { Attribute(m, "p", "count_include_pad")->set_i(0); }),
      "m.onnx: node 'p' (AveragePool): attribute 'count_include_pad' is 0, expected 1 (padding "
      "counts as zeros)");
}

TEST_F(Unsupported, NormalizationsBetweenOtherNodes) {
  const LayerPtr rms = RmsNormalization({.name = "r"});
  const auto first = [](onnx::ModelProto& m) { return m.mutable_graph()->mutable_node(0); };
  EXPECT_EQ(Images(rms, [&](auto& m) { first(m)->mutable_attribute(0)->set_ints(1, 3); }),
            "m.onnx: node 'r/channels_last' (Transpose): attribute 'perm' is [0,3,3,1], expected "
            "[0,2,3,1]");
  EXPECT_EQ(Images(rms, [](auto& m) { m.mutable_graph()->mutable_node()->DeleteSubrange(1, 2); }),
            "m.onnx: node 'r/channels_last' (Transpose): is supported only before a normalization, "
            "expected Transpose, LayerNormalization or RMSNormalization and its inverse");
}

TEST_F(Unsupported, InputsDividedByAnotherRange) {
  Graph graph;
  graph.Add(ImageInput({.name = "in",
                        .input_size = {2, 2, 1},
                        .normalization = InputNormalization::kRescaleZeroOne}));
  graph.Add(Relu());
  EXPECT_EQ(MessageAfter(OnnxBytes(MakeNetwork(std::move(graph))),
                         [](auto& m) {
                           onnx::GraphProto* nodes = m.mutable_graph();
                           nodes->mutable_node(2)->set_input(1, nodes->node(1).input(1));
                         }),
            "m.onnx: node 'in/scale' (Div): does not divide by the range 'in/range' of what is "
            "subtracted");
}

// Reads its input as if it had time.
class InTime : public Layer {
 public:
  using Layer::Layer;
  std::string_view type() const override { return "own"; }
  std::string_view short_name() const override { return "own"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override {
    Tensor shape(Layout::Unlabelled(std::vector<int64_t>{3}), DType::kI64);
    std::ranges::copy(std::vector<int64_t>{-1, graph.layout(inputs[0]).channels(), 1},
                      shape.values<int64_t>().begin());
    return graph.AddNode(ops::Reshape("BTC"), {inputs[0], graph.AddConstant(std::move(shape))});
  }
};

TEST_F(Unsupported, NetworksThatNoFileCanSay) {
  EXPECT_ERROR(
      OnnxBytes(OnFeatures("", std::make_shared<InTime>("time")).network),
      "own 'time': output is BTC [1,6,1], expected BSSC, BSSSC, BC, TC, TSC, TSSC or TSSSC: "
      "model files hold no other");
  Network network = OnFeatures("", Relu("r")).network;
  network.classes = {"caf\xe9"};
  EXPECT_ERROR(OnnxBytes(network),
               "model file: class 'caf\\xe9' cannot stand there, expected UTF-8: give it another "
               "name");
  network.classes = {};
  network.facts = {{"data", "\xff"}};
  EXPECT_ERROR(OnnxBytes(network),
               "model file: data '\\xff' cannot stand there, expected UTF-8: give it another name");
}

}  // namespace
}  // namespace normkit
