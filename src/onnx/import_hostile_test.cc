// Damaged files of networks, read as those of others: each is planned and, where it is small, run,
// or ends in one line; in little memory.
#include <gtest/gtest.h>
#include <onnx.pb.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/graph/executor.h"
#include "src/core/files.h"
#include "src/core/mutations.h"
#include "src/core/testing.h"
#include "src/onnx/model.h"
#include "src/onnx/model_mutations.h"
#include "src/onnx/testing.h"

namespace normkit {
namespace {

constexpr double kMostRun = 32e6;  // bytes of a plan that is run
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kMostHeld = int64_t{1} << 31;  // by all of a test, and what sanitizers keep
#else
constexpr int64_t kMostHeld = int64_t{1} << 30;  // by all of a test
#endif

// Runs what was read, on zeros, at the sizes that the file says or that are usual.
void RunSmallest(const ImportedNetwork& imported) {
  const Graph& graph = imported.network.graph;
  std::vector<Layout> shapes;
  for (const ImportedArray& input : imported.inputs) shapes.push_back(graph.layout(input.value));
  if (Executor::PlannedBytes(graph, shapes, {}) > kMostRun) return;
  Executor executor(graph);
  executor.SetShapes(shapes);
  for (size_t i = 0; i < imported.inputs.size(); ++i) {
    const ArrayView x = executor.input(i);
    std::fill_n(static_cast<char*>(x.data), x.type.bytes(), '\0');
  }
  executor.Forward(imported.network.parameters, {});
}

// An input x of one number, an output y.
void AddInput(onnx::GraphProto& graph) {
  onnx::ValueInfoProto* x = graph.add_input();
  x->set_name("x");
  x->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  x->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(1);
  graph.add_output()->set_name("y");
}

onnx::NodeProto& AddNode(onnx::GraphProto& graph, const std::string& operation,
                         const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(operation);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

// What reading, planning and running say; "": all of it works.
std::string Say(const std::string& bytes, const std::string& folder = "") {
  return ErrorOf([&] { RunSmallest(NetworkFromOthers(bytes, "m.onnx", folder, {})); });
}

// Makes damaged copies of a file: of every two, one has other bytes, one is made of other parts.
// Most bytes are weights: half of the damage to bytes is done to the others.
class Damage {
 public:
  Damage(std::string bytes, uint64_t seed) : bytes_(std::move(bytes)), random_(seed) {
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromString(bytes_));
    std::vector<std::pair<size_t, size_t>> weights;
    for (const onnx::TensorProto& tensor : model.graph().initializer()) {
      const std::string& raw = tensor.raw_data();
      if (raw.size() > 64) weights.emplace_back(bytes_.find(raw), raw.size());
    }
    std::ranges::sort(weights);
    size_t begin = 0;
    for (const auto& [at, size] : weights) {
      for (; begin < at; ++begin) others_.push_back(begin);
      begin = at + size;
    }
    for (; begin < bytes_.size(); ++begin) others_.push_back(begin);
  }

  std::string Copy() {
    if (random_.Below(2) == 0) return MutatedModel(random_, bytes_, 4);
    std::string copy = bytes_;
    for (int64_t changes = 1 + random_.Below(4); changes > 0; --changes) {
      const size_t other = others_[PositionIn(random_, bytes_) % others_.size()];
      const size_t any = PositionIn(random_, copy);
      MutateOnce(random_, copy, random_.Below(2) == 0 ? any : std::min(other, copy.size()));
    }
    return copy;
  }

 private:
  std::string bytes_;
  Random random_;
  std::vector<size_t> others_;
};

// How many of so many damaged copies can be read.
int DamageAndRead(const std::string& bytes, int copies, uint64_t seed,
                  const std::string& folder = "") {
  Damage damage(bytes, seed);
  int read = 0;
  for (int i = 0; i < copies; ++i) {
    const std::string said = Say(damage.Copy(), folder);
    read += said == "no error";
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    EXPECT_LT(said.size(), 1200u);
  }
  return read;
}

TEST(ImportHostile, DamagedNetworksOfOurOwn) {
  uint64_t seed = 0;
  int read = 0, copies = 0;
  for (const Sample& sample : AllSamples()) {
    const std::string bytes = OnnxBytes(sample.network);
    EXPECT_EQ(Say(bytes), "no error") << sample.name;
    const int more = sample.name == "residual" ? 400 : 8;
    read += DamageAndRead(bytes, more, ++seed);
    copies += more;
  }
  EXPECT_GE(copies, 600);
  EXPECT_LT(read, copies);
  EXPECT_LT(PeakMemory(), kMostHeld);
}

TEST(ImportHostile, DamagedNetworksOfOthers) {
  for (const char* name :
       {"style/candy.onnx", "style/candy-decomposed-256.onnx", "style/candy-opset7-720.onnx",
        "models/resnet20-cifar10.onnx", "models/cifar10-cnn.onnx", "models/mnist-cnn.onnx"}) {
    const std::string path = RealData(name);
    SKIP_WITHOUT(path);
    EXPECT_LT(DamageAndRead(ReadFile(path), 200, 2), 200) << name;
  }
  EXPECT_LT(PeakMemory(), kMostHeld);
}

// A batch of 2^31: what is held for its observations is counted, not allocated.
TEST(ImportHostile, PlansOfManyObservations) {
  Network network = OnFeatures("gelu", Gelu()).network;
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(OnnxBytes(network)));
  auto& type = *model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  type.mutable_shape()->mutable_dim(0)->set_dim_value(INT32_MAX);
  EXPECT_EQ(Say(model.SerializeAsString()), "no error");
  EXPECT_LT(PeakMemory(), kMostHeld);
}

// Padding of 2^63 - 1 in a file of our own: sums of it would overflow.
TEST(ImportHostile, PaddingThatOverflows) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(OnnxBytes(ResidualNetwork())));
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node())
    for (onnx::AttributeProto& attribute : *node.mutable_attribute())
      if (attribute.name() == "pads") attribute.set_ints(1, INT64_MAX);
  EXPECT_THAT(ErrorOf([&] { NetworkFromOnnx(model.SerializeAsString(), "m.onnx"); }),
              ::testing::HasSubstr(
                  "m.onnx: node 'conv_1' (Conv): padding has 9223372036854775807, expected "
                  "at most 67108864"));
}

TEST(ImportHostile, OneNumberIn) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto& graph = *model.mutable_graph();
  AddInput(graph);
  graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->clear_dim();
  AddNode(graph, "Exp", {"x"}, "y");
  EXPECT_EQ(Say(model.SerializeAsString()), "no error");
}

// oneDNN would make tables of gigabytes for it.
TEST(ImportHostile, SpaceOfMillionsOfElements) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto& graph = *model.mutable_graph();
  AddInput(graph);
  for (const int64_t size : {int64_t{1}, int64_t{1} << 28, int64_t{3}})
    graph.mutable_input(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->add_dim()
        ->set_dim_value(size);
  onnx::TensorProto* w = graph.add_initializer();
  w->set_name("w");
  w->set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t size : {1, 1, 3, 3}) w->add_dims(size);
  for (int i = 0; i < 9; ++i) w->add_float_data(1);
  AddNode(graph, "ConvTranspose", {"x", "w"}, "y");
  EXPECT_THAT(Say(model.SerializeAsString()),
              ::testing::HasSubstr("a dimension of space has 268435458 elements, expected at most "
                                   "67108864"));
  EXPECT_LT(PeakMemory(), kMostHeld);
}

// A shape of millions of ones, as ConstantOfShape makes it of one number.
TEST(ImportHostile, ShapesOfMillionsOfAxes) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto& graph = *model.mutable_graph();
  onnx::TensorProto* count = graph.add_initializer();
  count->set_name("count");
  count->set_data_type(onnx::TensorProto::INT64);
  count->add_dims(1);
  count->add_int64_data(20'000'000);
  AddInput(graph);
  onnx::NodeProto& ones = AddNode(graph, "ConstantOfShape", {"count"}, "ones");
  onnx::AttributeProto& value = *ones.add_attribute();
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  value.mutable_t()->set_data_type(onnx::TensorProto::INT64);
  value.mutable_t()->add_dims(1);
  value.mutable_t()->add_int64_data(1);
  for (const char* operation : {"Reshape", "Expand"}) {
    onnx::ModelProto copy = model;
    AddNode(*copy.mutable_graph(), operation, {"x", "ones"}, "y");
    EXPECT_THAT(Say(copy.SerializeAsString()),
                ::testing::EndsWith("the shape has 20000000 numbers, expected at most 64"));
  }
  EXPECT_LT(PeakMemory(), kMostHeld);
}

// The same network with its weights in a file beside it.
struct Outside {
  std::string model, weights;
};
Outside MoveOutside(const std::string& bytes) {
  Outside outside;
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    const auto add = [&](const char* key, const std::string& value) {
      onnx::StringStringEntryProto* entry = tensor.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", "weights.bin");
    add("offset", std::to_string(outside.weights.size()));
    add("length", std::to_string(tensor.raw_data().size()));
    outside.weights += tensor.raw_data();
    tensor.clear_raw_data();
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  }
  outside.model = model.SerializeAsString();
  return outside;
}

TEST(ImportHostile, DamagedDataOutside) {
  const TestFolder folder;
  const Outside outside = MoveOutside(OnnxBytes(ResidualNetwork()));
  const std::string path = folder / "weights.bin";
  WriteFile(path, outside.weights);
  EXPECT_EQ(Say(outside.model, folder.path()), "no error");
  EXPECT_LT(DamageAndRead(outside.model, 200, 3, folder.path()), 200);
  Random random(4);
  for (int i = 0; i < 20; ++i) {  // cut off, so that something lies behind the end
    WriteFile(path, outside.weights.substr(0, PositionIn(random, outside.weights) * 9 / 10));
    EXPECT_THAT(Say(outside.model, folder.path()),
                ::testing::HasSubstr("'weights.bin', which has"));
  }
  std::filesystem::remove(path);
  EXPECT_THAT(Say(outside.model, folder.path()),
              ::testing::EndsWith("cannot be read: No such file or directory"));
}

TEST(ImportHostile, ThousandTensorsOfTheSameBytes) {
  const TestFolder folder;
  WriteFile(folder / "weights.bin", std::string(1 << 22, '\0'));
  const auto with_tensors = [](int tensors) {  // y = x + the sum of them
    onnx::ModelProto model;
    model.set_ir_version(8);
    model.add_opset_import()->set_version(17);
    onnx::GraphProto& graph = *model.mutable_graph();
    AddInput(graph);
    onnx::NodeProto& sum = AddNode(graph, "Sum", {"x"}, "y");
    for (int i = 0; i < tensors; ++i) {
      onnx::TensorProto* tensor = graph.add_initializer();
      tensor->set_name("w" + std::to_string(i));
      sum.add_input(tensor->name());
      tensor->set_data_type(onnx::TensorProto::FLOAT);
      tensor->add_dims(1 << 20);
      tensor->set_data_location(onnx::TensorProto::EXTERNAL);
      onnx::StringStringEntryProto* entry = tensor->add_external_data();
      entry->set_key("location");
      entry->set_value("weights.bin");
    }
    return model.SerializeAsString();
  };
  EXPECT_EQ(Say(with_tensors(16), folder.path()), "no error");  // tied weights
  EXPECT_THAT(Say(with_tensors(1000), folder.path()),
              ::testing::HasSubstr("tensor 'w16': more than 16 times the 4194304 bytes of "
                                   "'weights.bin' are named by tensors"));
  EXPECT_LT(PeakMemory(), kMostHeld);
}

}  // namespace
}  // namespace normkit
