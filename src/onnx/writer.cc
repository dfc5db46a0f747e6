#include "src/onnx/writer.h"

#include <numeric>
#include <utility>

#include "src/core/fail.h"
#include "src/onnx/operators.h"
#include "src/onnx/tensors.h"

namespace normkit {

namespace {

std::string UniqueIn(std::set<std::string>& names, std::string wanted) {
  while (!names.insert(wanted).second) wanted += "'";
  return wanted;
}

}  // namespace

std::string GraphWriter::UniqueName(std::string wanted) {
  return UniqueIn(names_, std::move(wanted));
}

std::string GraphWriter::AddNode(std::string_view op_type, const std::string& name,
                                 std::vector<std::string> inputs) {
  onnx::NodeProto* node = nodes_->add_node();
  node->set_op_type(std::string(op_type));
  node->set_name(node_names_unique_ ? UniqueIn(node_names_, name) : name);
  for (std::string& input : inputs) *node->add_input() = std::move(input);
  *node->add_output() = UniqueName(name);
  return node->output(0);
}

void GraphWriter::CountBytes(double bytes) {
  bytes_left_ -= bytes;
  if (bytes_left_ < 0) Fail("its layers have more constants than the file");
}

LayerWriter::LayerWriter(GraphWriter* graph, const Graph& network, const Parameters* parameters,
                         const LayerRecord& record, std::vector<std::string> inputs,
                         std::vector<Layout> layouts, TimeValues* time)
    : graph_(graph),
      network_(network),
      parameters_(parameters),
      record_(record),
      inputs_(std::move(inputs)),
      layouts_(std::move(layouts)),
      time_(time) {}

std::string LayerWriter::Node(std::string_view op_type, std::string_view part,
                              std::vector<std::string> inputs) {
  const std::string& name = layer().name();
  if (part.find('/') != part.npos)
    Fail("{} '{}': a node is called '{}', expected a name without /", layer().type(), name, part);
  has_node_ = true;
  return graph_->AddNode(op_type, part.empty() ? name : fmt::format("{}/{}", name, part),
                         std::move(inputs));
}

onnx::NodeProto& LayerWriter::node() {
  if (!has_node_)
    Fail("{} '{}': has an attribute before its first node, expected it behind one", layer().type(),
         layer().name());
  return *graph_->nodes()->mutable_node()->rbegin();
}

namespace {

onnx::AttributeProto* Add(onnx::NodeProto& node, std::string_view name,
                          onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto* attribute = node.add_attribute();
  attribute->set_name(std::string(name));
  attribute->set_type(type);
  return attribute;
}

}  // namespace

void SetInt(onnx::NodeProto& node, std::string_view name, int64_t value) {
  Add(node, name, onnx::AttributeProto::INT)->set_i(value);
}

void LayerWriter::Int(std::string_view name, int64_t value) { SetInt(node(), name, value); }

void LayerWriter::Float(std::string_view name, double value) {
  Add(node(), name, onnx::AttributeProto::FLOAT)->set_f(static_cast<float>(value));
}

void LayerWriter::Ints(std::string_view name, std::vector<int64_t> values) {
  onnx::AttributeProto* attribute = Add(node(), name, onnx::AttributeProto::INTS);
  for (int64_t value : values) attribute->add_ints(value);
}

void LayerWriter::Text(std::string_view name, std::string value) {
  Add(node(), name, onnx::AttributeProto::STRING)->set_s(std::move(value));
}

void LayerWriter::Texts(std::string_view name, const std::vector<std::string>& values) {
  onnx::AttributeProto* attribute = Add(node(), name, onnx::AttributeProto::STRINGS);
  for (const std::string& value : values) attribute->add_strings(value);
}

namespace {

template <class T>
std::string AddConstant(GraphWriter& graph, const std::string& name,
                        const std::vector<int64_t>& shape, std::span<const T> values) {
  const std::string unique = graph.UniqueName(name);
  *graph.graph()->add_initializer() = MakeTensor(unique, shape, values);
  return unique;
}

}  // namespace

void LayerWriter::CheckShape(std::string_view name, const std::vector<int64_t>& shape,
                             size_t count) const {
  const double product =  // of wrong sizes, which may not fit in 64 bits
      std::accumulate(shape.begin(), shape.end(), 1.0, std::multiplies<>());
  const bool negative = std::ranges::any_of(shape, [](int64_t size) { return size < 0; });
  if (negative || product != static_cast<double>(count))
    Fail("{} '{}': constant '{}' is [{}], expected {} elements", layer().type(), layer().name(),
         name, fmt::join(shape, ","), count);
}

std::string LayerWriter::Constant(std::string_view name, std::vector<int64_t> shape,
                                  std::span<const float> values) {
  CheckShape(name, shape, values.size());
  return AddConstant(*graph_, fmt::format("{}.{}", layer().name(), name), shape, values);
}

std::string LayerWriter::Constant(std::string_view name, std::vector<int64_t> shape,
                                  std::span<const int64_t> values) {
  CheckShape(name, shape, values.size());
  return AddConstant(*graph_, fmt::format("{}.{}", layer().name(), name), shape, values);
}

std::string LayerWriter::Constant(std::string_view name, std::vector<int64_t> shape,
                                  std::span<const double> values) {
  CheckShape(name, shape, values.size());
  return AddConstant(*graph_, fmt::format("{}.{}", layer().name(), name), shape, values);
}

std::string LayerWriter::Number(std::string_view name, float value) {
  return Constant(name, {}, std::span<const float>(&value, 1));
}

std::string LayerWriter::Whole(std::string_view name, std::vector<int64_t> values) {
  return Constant(name, {static_cast<int64_t>(values.size())}, std::span<const int64_t>(values));
}

const normkit::Parameter& LayerWriter::Find(std::string_view name) const {
  for (const Value value : record_.parameters) {  // which may be those of another layer
    const int index = network_.value(value).parameter;
    const normkit::Parameter& parameter = parameters_->list()[static_cast<size_t>(index)];
    if (parameter.name.ends_with(fmt::format(".{}", name))) return parameter;
  }
  Fail("{} '{}': the network has no parameter '{}' for it", layer().type(), layer().name(), name);
}

int64_t LayerWriter::ParameterBegin(std::string_view name) const { return Find(name).offset; }

std::string LayerWriter::ParameterConstant(std::string_view name, std::vector<int64_t> shape) {
  std::string constant;
  if (parameters_) {
    const normkit::Parameter& parameter = Find(name);
    CheckShape(name, shape, static_cast<size_t>(parameter.size));
    const int64_t begin = parameter.offset;
    constant = GatheredConstant(name, std::move(shape), [begin](int64_t i) { return begin + i; });
  } else {
    constant = graph_->UniqueName(fmt::format("{}.{}", layer().name(), name));
    onnx::TensorProto* tensor = graph_->graph()->add_initializer();
    tensor->set_name(constant);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    for (const int64_t size : shape) tensor->add_dims(size);
  }
  parameter_constants_.emplace_back(name, constant);
  return constant;
}

bool LayerWriter::IsParameterConstant(const std::string& constant) const {
  return std::ranges::any_of(parameter_constants_,
                             [&](const auto& one) { return one.second == constant; });
}

void LayerWriter::NeedOpset(int opset) {
  if (opset > kNewestOpset)
    Fail("{} '{}': asks for opset {}, expected at most {}", layer().type(), layer().name(), opset,
         kNewestOpset);
  graph_->NeedOpset(opset);
}

std::string LayerWriter::GatheredConstant(std::string_view name, std::vector<int64_t> shape,
                                          std::function<int64_t(int64_t)> at) {
  const std::span<const float> from = parameters_->values();
  const int64_t count =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  graph_->CountBytes(static_cast<double>(count) * sizeof(float));
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t place = at(static_cast<int64_t>(i));
    values[i] = place < 0 ? 0 : from[static_cast<size_t>(place)];
  }
  std::string unique = Constant(name, shape, std::span<const float>(values));
  graph_->parameters().push_back({unique, std::move(shape), std::move(at)});
  return unique;
}

}  // namespace normkit
