#include "src/onnx/model_edit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/core/glob.h"
#include "src/onnx/import/constants.h"
#include "src/onnx/import/imported.h"
#include "src/onnx/tensors.h"

namespace normkit {
namespace {

constexpr std::string_view kNorms[] = {"BatchNormalization", "InstanceNormalization",
                                       "GroupNormalization", "LayerNormalization",
                                       "RMSNormalization"};

onnx::AttributeProto& AttributeOf(onnx::NodeProto& node, const std::string& name) {
  for (onnx::AttributeProto& attribute : *node.mutable_attribute())
    if (attribute.name() == name) return attribute;
  onnx::AttributeProto* attribute = node.add_attribute();
  attribute->set_name(name);
  return *attribute;
}

int64_t IntOf(const onnx::NodeProto& node, std::string_view name, int64_t otherwise) {
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.name() == name) return attribute.i();
  return otherwise;
}

void SetEpsilons(const NetworkChanges& changes, onnx::GraphProto& graph) {
  if (!changes.epsilon) return;
  Globs globs(changes.epsilon_of, "epsilon");
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (std::ranges::find(kNorms, node.op_type()) == std::end(kNorms)) continue;
    if (!globs.Match({NodeName(node)})) continue;
    onnx::AttributeProto& epsilon = AttributeOf(node, "epsilon");
    epsilon.set_type(onnx::AttributeProto::FLOAT);
    epsilon.set_f(static_cast<float>(*changes.epsilon));
  }
  globs.CheckAllNamed();
}

onnx::TensorProto* FindInitializer(onnx::GraphProto& graph, const std::string& name) {
  for (onnx::TensorProto& tensor : *graph.mutable_initializer())
    if (tensor.name() == name) return &tensor;
  return nullptr;
}

// The tensor that a name of the graph stands for: an initializer or what a Constant node gives.
onnx::TensorProto* FindTensor(onnx::GraphProto& graph, const std::string& name) {
  if (onnx::TensorProto* initializer = FindInitializer(graph, name)) return initializer;
  for (onnx::NodeProto& node : *graph.mutable_node())
    if (node.op_type() == "Constant" && node.output_size() == 1 && node.output(0) == name)
      for (onnx::AttributeProto& attribute : *node.mutable_attribute())
        if (attribute.name() == "value") return attribute.mutable_t();
  return nullptr;
}

void SetInputSize(const std::string& file, const NetworkChanges& changes, onnx::GraphProto& graph) {
  if (changes.height == 0 && changes.width == 0) return;
  for (onnx::ValueInfoProto& input : *graph.mutable_input()) {
    if (FindInitializer(graph, input.name())) continue;
    auto* shape = input.mutable_type()->mutable_tensor_type()->mutable_shape();
    if (shape->dim_size() != 4)
      Fail("{}: input '{}' has {} axes, expected 4, pictures, to take another size", file,
           input.name(), shape->dim_size());
    const int rows = HasChannelsLast(graph, input.name(), shape->dim_size()) ? 1 : 2;
    if (changes.height > 0) shape->mutable_dim(rows)->set_dim_value(changes.height);
    if (changes.width > 0) shape->mutable_dim(rows + 1)->set_dim_value(changes.width);
  }
}

// Replaces the last layer's weights by fresh ones for another number of outputs.
class NewEnd {
 public:
  NewEnd(const std::string& file, const NetworkChanges& changes, onnx::GraphProto& graph)
      : file_(file), changes_(changes), graph_(graph), random_(changes.seed) {}

  void Run() {
    std::string name = graph_.output(0).name();
    for (onnx::NodeProto* node = MadeBy(name);; node = MadeBy(name)) {
      if (!node || node->input_size() == 0) break;
      const std::string& type = node->op_type();
      if (type == "Gemm") {
        const int axis = IntOf(*node, "transB", 0) ? 0 : 1;
        return ReplaceBoth(*node, axis);
      }
      if (type == "Conv") return ReplaceBoth(*node, 0);
      if (type == "MatMul") return Replace(*node, 1, 1, true);
      if (type == "Add" && IsBias(node->input(0)))
        std::swap(*node->mutable_input(0), *node->mutable_input(1));
      if (type == "Add" && IsBias(node->input(1)))
        Replace(*node, 1, -1, false);
      else if (!Passes(type))
        break;
      name = node->input(0);
    }
    Fail("{}: no Gemm, MatMul or Conv is its last layer, expected one to put in for {} classes",
         file_, changes_.classes.size());
  }

 private:
  static bool Passes(const std::string& type) {
    constexpr std::string_view kPassing[] = {"Softmax", "LogSoftmax", "Flatten",          "Reshape",
                                             "Squeeze", "Identity",   "GlobalAveragePool"};
    return std::ranges::find(kPassing, type) != std::end(kPassing);
  }
  onnx::NodeProto* MadeBy(const std::string& name) {
    for (onnx::NodeProto& node : *graph_.mutable_node())
      if (std::ranges::find(node.output(), name) != node.output().end()) return &node;
    return nullptr;
  }
  bool IsBias(const std::string& name) { return FindTensor(graph_, name) != nullptr; }

  void ReplaceBoth(onnx::NodeProto& node, int axis) {
    Replace(node, 1, axis, true);
    if (node.input_size() > 2 && !node.input(2).empty()) Replace(node, 2, -1, false);
  }

  // Input `index` with as many elements along the axis (-1: the last) as there are classes. Weights
  // as Glorot & Bengio 2010, eq. 16, draw them, biases 0.
  void Replace(onnx::NodeProto& node, int index, int axis, bool weights) {
    const std::string name = node.input(index);
    const onnx::TensorProto* old = FindTensor(graph_, name);
    if (!old || old->data_type() != onnx::TensorProto::FLOAT || old->dims_size() == 0)
      Fail(
          "{}: node '{}' ({}): '{}' is no f32 array of the file, expected one to put in for {} "
          "classes",
          file_, node.name(), node.op_type(), name, changes_.classes.size());
    std::vector<int64_t> shape(old->dims().begin(), old->dims().end());
    const int rank = static_cast<int>(shape.size());
    if (axis >= rank) Fail("{}: '{}' has {} axes, expected more", file_, name, rank);
    shape[static_cast<size_t>(axis < 0 ? rank - 1 : axis)] = std::ssize(changes_.classes);
    const int64_t size =
        std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    std::vector<float> values(static_cast<size_t>(size));
    const auto outputs = std::ssize(changes_.classes);
    const double bound = std::sqrt(6.0 / static_cast<double>(size / outputs + outputs));
    if (weights)
      for (float& value : values) value = static_cast<float>(random_.Uniform(-bound, bound));
    std::string fresh = name + ".new";
    while (FindTensor(graph_, fresh)) fresh += "'";
    *graph_.add_initializer() = MakeTensor(fresh, shape, std::span<const float>(values));
    node.set_input(index, fresh);
  }

  const std::string& file_;
  const NetworkChanges& changes_;
  onnx::GraphProto& graph_;
  Random random_;
};

// How many outputs it has is the file's no more.
void SetOutputs(int64_t classes, onnx::GraphProto& graph) {
  auto* shape = graph.mutable_output(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  if (shape->dim_size() > 1) shape->mutable_dim(1)->set_dim_value(classes);
}

// The element of the file's array that each of the parameter's is: `order` moved its axes.
std::vector<size_t> Places(const std::vector<int64_t>& file_shape, const std::vector<int>& order) {
  std::vector<int64_t> strides(file_shape.size(), 1);
  for (size_t i = file_shape.size(); i-- > 1;) strides[i - 1] = strides[i] * file_shape[i];
  std::vector<size_t> places{0};
  for (size_t axis = 0; axis < file_shape.size(); ++axis) {
    const auto from = order.empty() ? axis : static_cast<size_t>(order[axis]);
    std::vector<size_t> more;
    for (const size_t place : places)
      for (int64_t i = 0; i < file_shape[from]; ++i)
        more.push_back(place + static_cast<size_t>(i * strides[from]));
    places = std::move(more);
  }
  return places;
}

template <class Stored>
std::string Bytes(std::span<const float> values, Stored (*convert)(float)) {
  std::string bytes(values.size() * sizeof(Stored), '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const Stored stored = convert(values[i]);
    std::memcpy(bytes.data() + i * sizeof(Stored), &stored, sizeof(Stored));
  }
  return bytes;
}

std::string BytesOfType(int type, std::span<const float> values) {
  switch (type) {
    case onnx::TensorProto::DOUBLE:
      return Bytes<double>(values, [](float x) { return double{x}; });
    case onnx::TensorProto::FLOAT16:
      return Bytes<Float16>(values, ToFloat16);
    case onnx::TensorProto::BFLOAT16:
      return Bytes<BFloat16>(values, ToBFloat16);
    default:
      return Bytes<float>(values, [](float x) { return x; });
  }
}

}  // namespace

const std::string& NodeName(const onnx::NodeProto& node) {
  return node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
}

void EditModel(const std::string& file, const NetworkChanges& changes, onnx::ModelProto& model) {
  onnx::GraphProto& graph = *model.mutable_graph();
  SetEpsilons(changes, graph);
  SetInputSize(file, changes, graph);
  if (!changes.classes.empty()) {
    NewEnd(file, changes, graph).Run();
    SetOutputs(std::ssize(changes.classes), graph);
  }
  // Sizes of what is between them are another's now; runtimes find them out.
  if (!changes.classes.empty() || changes.height > 0 || changes.width > 0) graph.clear_value_info();
}

void PutParameter(const std::string& file, const ImportedParameter& parameter,
                  std::span<const float> values, onnx::ModelProto& model) {
  onnx::TensorProto* tensor = FindTensor(*model.mutable_graph(), parameter.tensor);
  if (!tensor)
    Fail("{}: '{}' follows from other arrays, expected one of the file to put values into", file,
         parameter.tensor);
  if (tensor->data_location() == onnx::TensorProto::EXTERNAL)
    Fail("{}: tensor '{}' lies in another file, expected its data in this one to be replaced", file,
         parameter.tensor);
  const std::vector<size_t> places = Places(ShapeOf(*tensor, file), parameter.order);
  if (places.size() != values.size())
    Fail("{}: tensor '{}' has {} elements, expected {}", file, parameter.tensor, places.size(),
         values.size());
  std::vector<float> in_file(values.size());
  for (size_t i = 0; i < values.size(); ++i) in_file[places[i]] = values[i];
  tensor->clear_float_data();
  tensor->clear_double_data();
  tensor->clear_int32_data();
  tensor->set_raw_data(BytesOfType(tensor->data_type(), in_file));
}

}  // namespace normkit
