// Model files that are damaged, foreign or made to harm: an Error, never anything else.
#include <gtest/gtest.h>
#include <onnx.pb.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/onnx/onnx.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/onnx/damaged.h"
#include "src/onnx/model.h"
#include "src/onnx/testing.h"
#include "src/ops/ops.h"

namespace normkit {
namespace {

// Reads, and writes what was read; only Error may come out.
bool Survives(const std::string& bytes) {
  try {
    static_cast<void>(OnnxBytes(NetworkFromOnnx(bytes, "damaged.onnx")));
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return false;
  }
}

std::vector<std::string> Files() {
  std::vector<std::string> files;
  for (const Sample& sample : AllSamples()) files.push_back(OnnxBytes(sample.network));
  return files;
}

TEST(HostileOnnx, AnyBeginningOfAFile) {
  const std::string bytes = OnnxBytes(ResidualNetwork());
  for (size_t size = 0; size < bytes.size(); size += size < 3000 ? 1 : 97)
    EXPECT_FALSE(Survives(bytes.substr(0, size))) << size;
}

TEST(HostileOnnx, BytesChangedInsertedRemoved) {
  const std::vector<std::string> files = Files();
  Random random(7);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes =
        files[static_cast<size_t>(random.Below(static_cast<int64_t>(files.size())))];
    for (int64_t changes = random.Below(4); changes >= 0; --changes) {
      const auto at = static_cast<size_t>(random.Below(static_cast<int64_t>(bytes.size())));
      switch (random.Below(4)) {
        case 0:
          bytes[at] = static_cast<char>(random.Below(256));
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(random.Below(256)));
          break;
        default:
          bytes.erase(at, static_cast<size_t>(1 + random.Below(8)));
      }
    }
    refused += !Survives(bytes);
  }
  EXPECT_GT(refused, 1000);
}

// The fields themselves, so that the damage gets past the parser.
void DamageTensor(onnx::TensorProto* tensor, Random& random) {
  const int64_t sizes[] = {-1, 0, 1, 7, int64_t{1} << 20, int64_t{1} << 40, INT64_MAX, INT64_MIN};
  switch (random.Below(4)) {
    case 0:
      if (tensor->dims_size() > 0)
        tensor->set_dims(static_cast<int>(random.Below(tensor->dims_size())),
                         sizes[random.Below(std::size(sizes))]);
      break;
    case 1:
      tensor->add_dims(sizes[random.Below(std::size(sizes))]);
      break;
    case 2:
      tensor->set_data_type(static_cast<int>(random.Below(20)));
      break;
    default:
      tensor->mutable_raw_data()->resize(static_cast<size_t>(random.Below(64)));
  }
}

void DamageAttribute(onnx::AttributeProto* attribute, Random& random) {
  const int64_t ints[] = {-1, 0, 2, 100, int64_t{1} << 33, INT64_MAX, INT64_MIN};
  const float floats[] = {0, -1, 1e30f, NAN, INFINITY};
  attribute->set_i(ints[random.Below(std::size(ints))]);
  attribute->set_f(floats[random.Below(std::size(floats))]);
  if (attribute->ints_size() > 0)
    attribute->set_ints(static_cast<int>(random.Below(attribute->ints_size())),
                        ints[random.Below(std::size(ints))]);
  if (random.Below(4) == 0) attribute->set_type(onnx::AttributeProto::GRAPH);
}

void DamageNode(onnx::GraphProto* graph, Random& random) {
  onnx::NodeProto* node = graph->mutable_node(static_cast<int>(random.Below(graph->node_size())));
  const onnx::NodeProto other = graph->node(static_cast<int>(random.Below(graph->node_size())));
  switch (random.Below(6)) {
    case 0:
      if (node->attribute_size() > 0)
        DamageAttribute(
            node->mutable_attribute(static_cast<int>(random.Below(node->attribute_size()))),
            random);
      break;
    case 1:
      node->set_op_type(other.op_type());
      break;
    case 2:
      if (node->input_size() > 0 && other.output_size() > 0)
        node->set_input(static_cast<int>(random.Below(node->input_size())), other.output(0));
      break;
    case 3:
      node->clear_input();
      break;
    case 4:
      node->clear_output();
      break;
    default:
      node->set_name(other.name());
  }
}

TEST(HostileOnnx, FieldsChanged) {
  const std::vector<std::string> files = Files();
  Random random(8);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    onnx::ModelProto model;
    model.ParseFromString(
        files[static_cast<size_t>(random.Below(static_cast<int64_t>(files.size())))]);
    onnx::GraphProto* graph = model.mutable_graph();
    for (int64_t changes = random.Below(3); changes >= 0; --changes) {
      const int64_t kind = random.Below(4);
      if (kind == 0 && graph->initializer_size() > 0)
        DamageTensor(
            graph->mutable_initializer(static_cast<int>(random.Below(graph->initializer_size()))),
            random);
      else if (kind == 1)
        graph->mutable_input(0)
            ->mutable_type()
            ->mutable_tensor_type()
            ->mutable_shape()
            ->mutable_dim(static_cast<int>(random.Below(2)))
            ->set_dim_value(random.Below(2) ? INT64_MAX >> random.Below(63) : random.Below(9) - 1);
      else if (graph->node_size() > 0)
        DamageNode(graph, random);
    }
    refused += !Survives(model.SerializeAsString());
  }
  EXPECT_GT(refused, 5000);
}

class OnnxErrors : public ::testing::Test, protected Damaged {
 protected:
  template <class Damage>
  std::string Message(const Damage& damage) {
    return MessageAfter(bytes_, damage);
  }

  std::string bytes_ = OnnxBytes(ResidualNetwork());
};

TEST_F(OnnxErrors, Files) {
  EXPECT_ERROR(LoadOnnx("/nowhere.onnx"),
               "/nowhere.onnx: cannot be read: No such file or directory");
  const std::string expected = ", expected an ONNX model, such as the model.onnx of a training";
  EXPECT_ERROR(NetworkFromOnnx("", "m.onnx"), "m.onnx: is empty" + expected);
  EXPECT_ERROR(NetworkFromOnnx("not a model", "m.onnx"), "m.onnx: is a text" + expected);
  EXPECT_ERROR(NetworkFromOnnx("{\"layers\": []}", "m.json"), "m.json: is a JSON text" + expected);
  EXPECT_ERROR(NetworkFromOnnx("\xff\xd8\xff", "m.jpg"), "m.jpg: is a JPEG picture" + expected);
  EXPECT_ERROR(NetworkFromOnnx("\x80\1\2", "m.onnx"),
               "m.onnx: is not an ONNX model (3 bytes without a graph)");
  const TestFolder folder;
  EXPECT_ERROR(LoadOnnx(folder.path()), folder.path() + ": is a folder, expected a file");
  WriteFile(folder / "model.onnx", "");
  EXPECT_ERROR(LoadOnnx(folder.path()), folder.path() + ": is a folder, expected a file, such as " +
                                            folder.path() + "/model.onnx");
}

TEST_F(OnnxErrors, Models) {
  EXPECT_EQ(Message([](auto& m) { m.mutable_opset_import(0)->set_version(9); }),
            "m.onnx: has opset 9, expected 13 to 23");
  EXPECT_EQ(Message([](auto& m) { m.mutable_opset_import(0)->set_version(14); }),
            "m.onnx: node 'bn1' (BatchNormalization): stands in a model of opset 14, expected at "
            "least 15");
  EXPECT_EQ(Message([](auto& m) { m.add_functions(); }), "m.onnx: has 1 functions, expected none");
  EXPECT_EQ(Message([](auto& m) { m.mutable_graph()->add_sparse_initializer(); }),
            "m.onnx: has 1 sparse tensors, expected dense ones");
  EXPECT_EQ(Message([](auto& m) { m.mutable_graph()->add_quantization_annotation(); }),
            "m.onnx: is quantized, expected f32 tensors");
  EXPECT_EQ(Message([](auto& m) {
              for (int i = 0; i < 70000; ++i) m.mutable_graph()->add_node();
            }),
            "m.onnx: has 70014 nodes, expected at most 65536");
  EXPECT_EQ(Message([](auto& m) { m.mutable_graph()->clear_output(); }),
            "m.onnx: the graph has 0 outputs, expected 1");
  EXPECT_EQ(Message([](auto& m) { m.mutable_graph()->mutable_output(0)->set_name("sum"); }),
            "m.onnx: the graph's output 'sum' is not what its last node gives");
  EXPECT_EQ(Message([](auto& m) { m.mutable_graph()->clear_input(); }),
            "m.onnx: the graph has 0 inputs, expected 1");
}

TEST_F(OnnxErrors, Inputs) {
  const auto type = [](onnx::ModelProto& m) {
    return m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  };
  EXPECT_EQ(Message([&](auto& m) { type(m)->set_elem_type(onnx::TensorProto::DOUBLE); }),
            "m.onnx: input 'image': is not an f32 tensor, expected one");
  EXPECT_EQ(Message([&](auto& m) { type(m)->mutable_shape()->mutable_dim(2)->set_dim_param("H"); }),
            "m.onnx: input 'image': the size of axis 2 is not given, expected a number (only axis "
            "0 is dynamic)");
  EXPECT_EQ(Message([&](auto& m) { type(m)->mutable_shape()->mutable_dim()->RemoveLast(); }),
            "m.onnx: input 'image': has 3 axes, expected 5 (N,C,D,H,W), 4 (N,C,H,W) or 2 (N,C)");
  EXPECT_EQ(Message([&](auto& m) { Node(m, "image/center")->set_op_type("Div"); }),
            "m.onnx: input 'image': is normalized by Div, expected nothing, Sub, Sub and Div, or "
            "what rescales");
  EXPECT_EQ(
      Message([&](auto& m) { type(m)->mutable_shape()->mutable_dim(1)->set_dim_value(4); }),
      "m.onnx: node 'image/center' (Sub): 'image.mean' has shape [1,3,1,1], expected [1,4,1,1]");
}

TEST_F(OnnxErrors, NamesThatAreNone) {
  EXPECT_EQ(
      Message([](auto& m) { m.mutable_graph()->mutable_input(0)->set_name("a\nb"); }),
      "m.onnx: input 'a\\nb': the name is not one, expected UTF-8 without control characters");
  Graph graph;
  graph.Add(FeatureInput({.num_features = 2}));
  graph.Add(Relu("a\tb"));
  EXPECT_ERROR(
      OnnxBytes(MakeNetwork(std::move(graph))),
      "ReLU 'a\\tb': the name cannot stand in a model file, expected UTF-8 without control "
      "characters");
}

// Layers of a program's own have no row in the table.
TEST_F(OnnxErrors, LayersWithoutForm) {
  class Own : public Layer {
   public:
    using Layer::Layer;
    std::string_view type() const override { return "own"; }
    std::string_view short_name() const override { return "own"; }
    std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override {
      return graph.AddNode(ops::Addition(), {inputs[0], inputs[0]});
    }
  };
  EXPECT_ERROR(OnnxBytes(Network{}), "model file: the network has no layers, expected some");
  EXPECT_ERROR(OnnxBytes(OnFeatures("own", std::make_shared<Own>("mine")).network),
               "own 'mine': has no form in ONNX");
}

TEST_F(OnnxErrors, Nodes) {
  EXPECT_EQ(Message([](auto& m) { Node(m, "relu_1")->set_op_type("Rely"); }).substr(0, 96),
            "m.onnx: node 'relu_1' (Rely): this operator is not supported here, did you mean "
            "'Relu'?, expecte");
  EXPECT_EQ(Message([](auto& m) { Node(m, "relu_1")->set_domain("com.acme"); }).substr(0, 99),
            "m.onnx: node 'relu_1' (Relu): operators of domain 'com.acme' are not supported, "
            "expected one of Add");
  EXPECT_EQ(Message([](auto& m) { Node(m, "relu_1")->set_input(0, "x"); }),
            "m.onnx: node 'relu_1' (Relu): input 0 'x' is not the output of a layer before it");
  EXPECT_EQ(Message([](auto& m) { Node(m, "relu_1")->add_input("bn1"); }),
            "m.onnx: node 'relu_1' (Relu): has 2 inputs, expected 1");
  EXPECT_EQ(Message([](auto& m) { Node(m, "bn1")->mutable_input()->RemoveLast(); }),
            "m.onnx: node 'bn1' (BatchNormalization): has 4 inputs, expected 5");
  EXPECT_EQ(Message([](auto& m) { Node(m, "relu_1")->add_output("y"); }),
            "m.onnx: node 'relu_1' (Relu): has 2 outputs, expected 1");
  EXPECT_EQ(Message([](auto& m) { Node(m, "relu_1")->set_output(0, "bn1"); }),
            "m.onnx: node 'relu_1' (Relu): output 'bn1' is not a new name");
  EXPECT_EQ(
      Message([](auto& m) { Node(m, "relu_1")->set_name("bn1"); }),
      "m.onnx: node 'bn1' (Relu): ReLU 'bn1': a layer of this name stands in the graph already");
  EXPECT_EQ(Message([](auto& m) { Node(m, "relu_1")->set_name("\xff"); }).substr(8),
            "node '\\xff' (Relu): the name is not one, expected UTF-8 without control characters");
}

TEST_F(OnnxErrors, Attributes) {
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "bn1", "epsilon")->set_name("eps"); }),
            "m.onnx: node 'bn1' (BatchNormalization): attribute 'eps' is not supported, expected "
            "epsilon, momentum, training_mode");
  EXPECT_EQ(Message([](auto& m) {
              *Node(m, "relu_1")->add_attribute() = *Attribute(m, "bn1", "epsilon");
            }),
            "m.onnx: node 'relu_1' (Relu): attribute 'epsilon' is not supported, expected none");
  EXPECT_EQ(
      Message([](auto& m) { Attribute(m, "bn1", "epsilon")->set_type(onnx::AttributeProto::INT); }),
      "m.onnx: node 'bn1' (BatchNormalization): attribute 'epsilon' has type INT, expected FLOAT");
  EXPECT_EQ(
      Message([](auto& m) { *Node(m, "bn1")->add_attribute() = *Attribute(m, "bn1", "epsilon"); }),
      "m.onnx: node 'bn1' (BatchNormalization): attribute 'epsilon' stands twice, expected once");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "bn1", "epsilon")->set_f(INFINITY); }),
            "m.onnx: node 'bn1' (BatchNormalization): attribute 'epsilon' is inf, expected a "
            "finite number");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "bn1", "epsilon")->set_f(0.5f); }),
            "m.onnx: node 'bn1' (BatchNormalization): 'epsilon' is 0.5, expected 1e-05 (what the "
            "metadata of the file says)");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "gn1", "num_groups")->set_i(3); }),
            "m.onnx: node 'gn1' (GroupNormalization): group normalization 'gn1': num_groups is 3, "
            "expected a divisor of the 8 channels of x (BSSC [1,12,12,8])");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "ln1", "axis")->set_i(2); }),
            "m.onnx: node 'ln1' (LayerNormalization): attribute 'axis' is 2, expected 1 (all but "
            "observations)");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "conv_1", "pads")->add_ints(1); }),
            "m.onnx: node 'conv_1' (Conv): attribute 'pads' has 5 values, expected 4");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "conv_1", "pads")->set_ints(0, 2); }),
            "m.onnx: node 'conv_1' (Conv): attribute 'pads' is [2,1,1,1], expected [1,1,1,1] "
            "(padding in the metadata)");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "conv_1", "kernel_shape")->set_ints(0, 2); }),
            "m.onnx: node 'conv_1' (Conv): attribute 'kernel_shape' is [2,3], expected [3,3] (the "
            "weights)");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "conv_1", "strides")->set_ints(0, 0); }),
            "m.onnx: node 'conv_1' (Conv): convolution 2-D 'conv_1': stride is 0, expected a whole "
            "number from 1 to 4096");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "fc", "transB")->set_i(0); }),
            "m.onnx: node 'fc' (Gemm): attribute 'transB' is 0, expected 1");
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "softmax_1", "axis")->set_i(0); }),
            "m.onnx: node 'softmax_1' (Softmax): attribute 'axis' is 0, expected 1 (channels)");
}

TEST_F(OnnxErrors, Tensors) {
  const std::string bn = "m.onnx: node 'bn1' (BatchNormalization): ";
  EXPECT_EQ(Message([](auto& m) { Tensor(m, "bn1.scale")->set_dims(0, 9); }),
            bn + "'bn1.scale' has shape [9], expected [8]");
  const auto with = [this](const char* name, float value) {
    return Message([&](auto& m) {
      std::memcpy(Tensor(m, name)->mutable_raw_data()->data() + 8, &value, sizeof(value));
    });
  };
  const std::string bn1 = "m.onnx: batch normalization 'bn1': ";
  EXPECT_EQ(with("bn1.trained_mean", NAN),
            bn1 + "trained_mean[2] is nan, expected a finite number");
  EXPECT_EQ(with("bn1.scale", -INFINITY), bn1 + "scale[2] is -inf, expected a finite number");
  EXPECT_EQ(with("bn1.trained_variance", -1),
            bn1 + "trained_variance[2] is -1, expected a finite number >= 0");
  EXPECT_EQ(Message([](auto& m) { Tensor(m, "bn1.scale")->mutable_raw_data()->resize(31); }),
            bn + "tensor 'bn1.scale' holds 31 bytes, expected 32 (shape [8])");
  EXPECT_EQ(
      Message([](auto& m) { Tensor(m, "bn1.scale")->set_data_type(onnx::TensorProto::FLOAT16); }),
      bn + "tensor 'bn1.scale' has type FLOAT16, expected FLOAT");
  EXPECT_EQ(Message([](auto& m) {
              Tensor(m, "bn1.scale")->set_data_location(onnx::TensorProto::EXTERNAL);
            }),
            bn + "tensor 'bn1.scale' lies in another file, expected its data in this one");
  EXPECT_EQ(Message([](auto& m) { Tensor(m, "bn1.scale")->set_dims(0, -1); }),
            bn + "tensor 'bn1.scale' has shape [-1], expected sizes of at least 0 and at most 2^40 "
                 "elements");
  EXPECT_EQ(Message([](auto& m) { Tensor(m, "bn1.scale")->set_name("bn1.offset"); }),
            "m.onnx: tensor 'bn1.offset' stands twice, expected unique names");
  EXPECT_EQ(Message([](auto& m) { Tensor(m, "bn1.scale")->set_name("other"); }),
            bn + "input 1 'bn1.scale' is not a tensor of the file, expected one");
  EXPECT_EQ(Message([](auto& m) {
              Tensor(m, "conv_1.weights")->set_dims(1, 2);
              Tensor(m, "conv_1.weights")->mutable_raw_data()->resize(576);
            }),
            "m.onnx: node 'conv_1' (Conv): convolution 2-D 'conv_1': weights has 144 values, "
            "expected 216 ([8,3,3,3])");
}

TEST_F(OnnxErrors, MetadataOfTheFile) {
  const std::string layers = "m.onnx: metadata 'normkit.layers': ";
  const auto set = [&](const std::string& key, const std::string& value) {
    return Message([&](auto& m) { *Metadata(m, key) = value; });
  };
  EXPECT_EQ(
      set("normkit.format", "2"),
      "m.onnx: metadata 'normkit.format': is '2', expected '1' (a newer normkit wrote the file)");
  EXPECT_EQ(set("normkit.layers", "{").substr(0, layers.size() + 12), layers + "is not JSON:");
  EXPECT_EQ(set("normkit.layers", "[]"), layers + "is array, expected an object");
  EXPECT_EQ(set("normkit.layers", "[[[[[[[]]]]]]]"), layers + "is nested deeper than 4 levels");
  EXPECT_EQ(set("normkit.layers", R"({"bn1":1})"),
            layers + "layer 'bn1' is a number, expected an object");
  EXPECT_EQ(set("normkit.layers", R"({"bn2":{}})"), layers + "the graph has no layer 'bn2'");
  EXPECT_EQ(set("normkit.input_normalization", "zscore"),
            "m.onnx: metadata 'normkit.input_normalization': is 'zscore', expected 'zerocenter' "
            "(what the nodes do)");
  EXPECT_EQ(set("normkit.classes", "[1]"),
            "m.onnx: metadata 'normkit.classes': holds a number, expected texts");
  EXPECT_EQ(set("normkit.layers", R"({"bn1":{"epsilonn":1}})").substr(0, 119),
            "m.onnx: node 'bn1' (BatchNormalization): property 'epsilonn' is unknown, expected "
            "affine, epsilon, freeze_statistics, m");
  EXPECT_EQ(
      set("normkit.layers", R"({"bn1":{"epsilon":"a"}})"),
      "m.onnx: node 'bn1' (BatchNormalization): property 'epsilon' is \"a\", expected a number");
  EXPECT_EQ(set("normkit.layers", R"({"ln1":{"operation_dimension":"all"}})"),
            "m.onnx: node 'ln1' (LayerNormalization): property 'operation_dimension' is \"all\", "
            "expected batch-excluded, auto, channel-only, spatial-channel");
  EXPECT_EQ(set("normkit.layers", R"({"ln1":{"operation_dimension":"channel-only"}})"),
            "m.onnx: node 'ln1' (LayerNormalization): normalizes other axes than "
            "operation_dimension 'channel-only' of the metadata");
  EXPECT_EQ(set("normkit.layers", R"({"gn1":{"num_groups":-1}})"),
            "m.onnx: node 'gn1' (GroupNormalization): attribute 'num_groups' is 4, expected 1 "
            "(num_groups -1 in the metadata)");
  EXPECT_EQ(Message([](auto& m) { m.mutable_metadata_props(0)->set_key("normkit.other"); }),
            "m.onnx: metadata 'normkit.other': is unknown, expected normkit.format, "
            "normkit.input_normalization, normkit.classes, normkit.layers, normkit.network or "
            "normkit.facts");
  EXPECT_EQ(Message([](auto& m) { m.mutable_metadata_props(0)->set_key("normkit.facts"); }),
            "m.onnx: metadata 'normkit.facts': is number, expected an object");
}

// A file of a few bytes may name sizes that no machine has.
TEST_F(OnnxErrors, SizesBeyondReason) {
  Sample sample = OnImages("relu", Relu("relu"));
  bytes_ = OnnxBytes(sample.network);
  EXPECT_EQ(Message([](auto& m) {
              auto* shape = m.mutable_graph()
                                ->mutable_input(0)
                                ->mutable_type()
                                ->mutable_tensor_type()
                                ->mutable_shape();
              for (int axis = 1; axis < 4; ++axis) shape->mutable_dim(axis)->set_dim_value(1 << 12);
            }),
            "m.onnx: input 'input': image input 'input': output BSSC [1,4096,4096,4096] is larger "
            "than 268435456 elements, the most that is read here");
}

}  // namespace
}  // namespace normkit
