#include "src/onnx/writer.h"

#include <utility>

#include "src/core/fail.h"
#include "src/onnx/tensors.h"

namespace normkit {

std::string GraphWriter::UniqueName(std::string wanted) {
  while (!names_.insert(wanted).second) wanted += "'";
  return wanted;
}

LayerWriter::LayerWriter(GraphWriter* graph, const Network& network, const LayerRecord& record,
                         std::vector<std::string> inputs, std::vector<Layout> layouts)
    : graph_(graph),
      network_(network),
      record_(record),
      inputs_(std::move(inputs)),
      layouts_(std::move(layouts)) {}

bool LayerWriter::image_input() const { return layouts_.at(0).Has(kS); }

std::string LayerWriter::Node(std::string_view op_type, std::string_view part,
                              std::vector<std::string> inputs) {
  const std::string name =
      part.empty() ? layer().name() : fmt::format("{}/{}", layer().name(), part);
  onnx::NodeProto* node = graph_->graph()->add_node();
  node->set_op_type(std::string(op_type));
  node->set_name(name);
  for (std::string& input : inputs) *node->add_input() = std::move(input);
  *node->add_output() = graph_->UniqueName(name);
  return node->output(0);
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

void LayerWriter::Int(std::string_view name, int64_t value) {
  Add(node(), name, onnx::AttributeProto::INT)->set_i(value);
}

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

std::string LayerWriter::Constant(std::string_view name, std::vector<int64_t> shape,
                                  std::span<const float> values) {
  const std::string unique = graph_->UniqueName(fmt::format("{}.{}", layer().name(), name));
  *graph_->graph()->add_initializer() = MakeTensor(unique, shape, values);
  return unique;
}

std::string LayerWriter::Constant(std::string_view name, std::vector<int64_t> shape,
                                  std::span<const int64_t> values) {
  const std::string unique = graph_->UniqueName(fmt::format("{}.{}", layer().name(), name));
  *graph_->graph()->add_initializer() = MakeTensor(unique, shape, values);
  return unique;
}

std::span<const float> LayerWriter::Parameter(std::string_view name) const {
  for (const Value value : record_.parameters) {  // which may be those of another layer
    const int index = network_.graph.value(value).parameter;
    const normkit::Parameter& parameter = network_.parameters.list()[static_cast<size_t>(index)];
    if (parameter.name.ends_with(fmt::format(".{}", name)))
      return network_.parameters.Get(parameter);
  }
  Fail("{} '{}': the network has no parameter '{}' for it", layer().type(), layer().name(), name);
}

std::string LayerWriter::ParameterConstant(std::string_view name, std::vector<int64_t> shape) {
  return Constant(name, std::move(shape), Parameter(name));
}

}  // namespace normkit
