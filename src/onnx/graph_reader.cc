#include "src/onnx/graph_reader.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

#include "src/onnx/tensors.h"

namespace normkit {
namespace {

// Activations of one observation larger than this (1 GiB each) are taken for damage.
constexpr int64_t kMostElements = int64_t{1} << 28;

}  // namespace

GraphReader::GraphReader(const std::string& file, const onnx::GraphProto& graph,
                         const nlohmann::json& properties)
    : file_(file), graph_(graph), properties_(properties) {
  for (const onnx::TensorProto& tensor : graph.initializer())
    if (!constants_.emplace(tensor.name(), &tensor).second)
      Fail("{}: tensor '{}' stands twice, expected unique names", file, tensor.name());
  for (const onnx::NodeProto& node : graph.node())
    for (const std::string& input : node.input()) ++readers_[input];
  for (const onnx::ValueInfoProto& output : graph.output()) ++readers_[output.name()];
}

const onnx::NodeProto* GraphReader::PeekChain(int ahead, std::string_view op_type) const {
  const int index = next_ + ahead;
  if (index >= graph_.node_size()) return nullptr;
  const onnx::NodeProto& node = graph_.node(index);
  const onnx::NodeProto& before = graph_.node(index - 1);
  if (node.op_type() != op_type || !node.domain().empty() || node.input_size() == 0 ||
      before.output_size() != 1 || node.input(0) != before.output(0))
    return nullptr;
  return Readers(before.output(0)) == 1 ? &node : nullptr;
}

int GraphReader::Readers(const std::string& value) const {
  const auto found = readers_.find(value);
  return found == readers_.end() ? 0 : found->second;
}

const nlohmann::json& GraphReader::Properties(const std::string& layer_name) const {
  static const nlohmann::json nothing = nlohmann::json::object();
  const auto found = properties_.find(layer_name);
  return found == properties_.end() ? nothing : *found;
}

Value GraphReader::Input(const NodeReader& node, int index) const {
  const std::string name = index < node.inputs() ? node.input(index) : "";
  const auto found = values_.find(name);
  if (found == values_.end())
    node.Refuse("input {} '{}' is not the output of a layer before it", index, name);
  return found->second;
}

const Layout& GraphReader::InputLayout(const NodeReader& node, int index) const {
  return LayoutOf(Input(node, index));
}

std::string GraphReader::FormOfNode(const std::string& node_name) const {
  if (HasForm(node_name)) return node_name;
  const size_t slash = node_name.rfind('/');
  const std::string before = slash == node_name.npos ? "" : node_name.substr(0, slash);
  // A form is read whole: what comes later and is called like a part of it is a layer of its own.
  return HasForm(before) && network_.Find(before) < 0 ? before : "";
}

std::string GraphReader::NameOf(Value value) const {
  const auto found = std::ranges::find(values_, value, [](const auto& one) { return one.second; });
  return found == values_.end() ? "" : found->first;
}

const onnx::TensorProto* GraphReader::FindConstant(const std::string& name) const {
  const auto found = constants_.find(name);
  return found == constants_.end() ? nullptr : found->second;
}

const onnx::TensorProto& GraphReader::Constant(const NodeReader& node, int index) const {
  const std::string name = index < node.inputs() ? node.input(index) : "";
  const auto found = constants_.find(name);
  if (found == constants_.end())
    node.Refuse("input {} '{}' is not a tensor of the file, expected one", index, name);
  return *found->second;
}

std::vector<int64_t> GraphReader::ConstantShape(const NodeReader& node, int index) const {
  return ShapeOf(Constant(node, index), node.where());
}

namespace {

void CheckShape(const NodeReader& node, const onnx::TensorProto& tensor,
                const std::vector<int64_t>& expected) {
  if (ShapeOf(tensor, node.where()) != expected)
    node.Refuse("'{}' has shape [{}], expected [{}]", tensor.name(), fmt::join(tensor.dims(), ","),
                fmt::join(expected, ","));
}

}  // namespace

std::vector<float> GraphReader::Floats(const NodeReader& node, int index,
                                       const std::vector<int64_t>& shape) const {
  const onnx::TensorProto& tensor = Constant(node, index);
  CheckShape(node, tensor, shape);
  return FloatValues(tensor, node.where());
}

std::vector<int64_t> GraphReader::Ints(const NodeReader& node, int index,
                                       const std::vector<int64_t>& shape) const {
  const onnx::TensorProto& tensor = Constant(node, index);
  CheckShape(node, tensor, shape);
  return IntValues(tensor, node.where());
}

void GraphReader::Add(const NodeReader& node, const LayerPtr& layer,
                      const std::vector<Value>& inputs, const std::string& output, Values values) {
  AddLayer(node.where(), layer, inputs, output, std::move(values));
}

void GraphReader::AddInput(const std::string& where, const LayerPtr& layer,
                           const std::string& output, Values values) {
  AddLayer(where, layer, {}, output, std::move(values));
}

namespace {

// Compares what the layer wants with what the file holds before anything is allocated for it, so
// that a small file can never ask for a large network.
void CheckParameters(const Graph& graph, const GraphReader::Values& values) {
  const LayerRecord& last = graph.layers().back();
  for (const Value value : last.parameters) {
    const auto index = static_cast<size_t>(graph.value(value).parameter);
    const ParameterSpec& spec = graph.parameters()[index].spec;
    const std::string name = spec.name.substr(last.layer->name().size() + 1);
    const auto given =
        std::ranges::find_if(values, [&](const auto& one) { return one.first == name; });
    const double expected =  // a product of wrong sizes may not fit in 64 bits
        std::accumulate(spec.shape.begin(), spec.shape.end(), 1.0, std::multiplies<>());
    const double count = given == values.end() ? 0 : static_cast<double>(given->second.size());
    if (count != expected)
      Fail("{}: {} has {} values, expected {} ([{}])", Title(*last.layer), name, count, expected,
           fmt::join(spec.shape, ","));
  }
}

}  // namespace

void GraphReader::AddLayer(const std::string& where, const LayerPtr& layer,
                           const std::vector<Value>& inputs, const std::string& output,
                           Values values) {
  if (output.empty() || constants_.contains(output) || values_.contains(output))
    Fail("{}: output '{}' is not a new name", where, output);
  try {
    const Value value = network_.Add(layer, inputs);
    if (LayoutOf(value).size() > kMostElements)
      Fail("{}: output {} is larger than {} elements, the most that is read here", Title(*layer),
           LayoutOf(value).ToString(), kMostElements);
    CheckParameters(network_, values);
    values_[output] = value;
  } catch (const Error& error) {
    Fail("{}: {}", where, error.what());
  }
  parameters_.push_back(std::move(values));
}

Network GraphReader::Finish() {
  if (graph_.output_size() != 1)
    Fail("{}: the graph has {} outputs, expected 1", file_, graph_.output_size());
  const std::string& name = graph_.output(0).name();
  const auto output = values_.find(name);
  if (output == values_.end() || output->second != network_.output())
    Fail("{}: the graph's output '{}' is not what its last node gives", file_, name);

  Network network;
  network.parameters = Parameters(network_);
  for (const Parameter& parameter : network.parameters.list()) {
    const Values& values = parameters_[static_cast<size_t>(parameter.layer)];
    const auto given = std::find_if(values.begin(), values.end(), [&](const auto& value) {
      return parameter.name.ends_with("." + value.first);
    });
    std::copy(given->second.begin(), given->second.end(),
              network.parameters.Get(parameter).begin());
  }
  network.graph = std::move(network_);
  return network;
}

}  // namespace normkit
