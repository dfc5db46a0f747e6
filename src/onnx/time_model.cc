#include "src/onnx/time_model.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "normkit/nn/networks.h"
#include "src/core/fail.h"
#include "src/nn/layer_json.h"
#include "src/onnx/metadata.h"
#include "src/onnx/tensors.h"

namespace normkit {
namespace {

using nlohmann::json;

constexpr const char* kProperties = "properties";

void CheckLayer(const Layer& layer) {
  if (!IsName(layer.name()))
    Fail(
        "{} '{}': the name cannot stand in a model file, expected UTF-8 without control characters",
        layer.type(), layer.name());
}

// "long_short_term" of "long short-term": a name that ONNX takes.
std::string OperatorName(std::string_view type) {
  std::string name(type);
  std::erase(name, '-');
  std::ranges::replace(name, ' ', '_');
  return name;
}

// Rows [T,C], or observations [N,C].
void DescribeRows(const std::string& name, const Layout& layout, onnx::ValueInfoProto* info) {
  info->set_name(name);
  onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim()->set_dim_param(layout.packed() ? "T" : "N");
  tensor->mutable_shape()->add_dim()->set_dim_value(layout.channels());
}

void WriteNode(const Graph& graph, const LayerRecord& record, onnx::NodeProto* node) {
  const Layer& layer = *record.layer;
  CheckLayer(layer);
  const Layout& output = graph.layout(record.output());
  if (output.format() != "TC" && output.format() != "BC")
    Fail(
        "{} '{}': output is {}, expected TC or BC: model files of networks over time hold no other",
        layer.type(), layer.name(), output.ToString());
  json properties = LayerToJson(layer);
  node->set_op_type(OperatorName(properties["type"].get<std::string>()));
  node->set_domain(kOwnDomain);
  node->set_name(layer.name());
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name(kProperties);
  attribute->set_type(onnx::AttributeProto::STRING);
  attribute->set_s(properties.dump());
  for (const Value input : record.inputs) {
    const LayerRecord& from = graph.layer(graph.value(input).layer);
    if (from.output() != input)
      Fail("{} '{}': reads another value of '{}' than its first, expected that one in a model file",
           layer.type(), layer.name(), from.layer->name());
    node->add_input(from.layer->name());
  }
  node->add_output(layer.name());
}

// The values of the file's tensors by name.
std::map<std::string, const onnx::TensorProto*> TensorsOf(const onnx::ModelProto& model) {
  std::map<std::string, const onnx::TensorProto*> tensors;
  for (const onnx::TensorProto& tensor : model.graph().initializer())
    tensors[tensor.name()] = &tensor;
  return tensors;
}

// A layer as networks in JSON have it.
json LayerOf(const onnx::NodeProto& node, bool first, const std::string& file) {
  const std::string where = fmt::format("{}: node '{}' ({})", file, node.name(), node.op_type());
  if (!IsName(node.name()))
    Fail("{}: the name is not one, expected UTF-8 without control characters", where);
  if (node.domain() != kOwnDomain)
    Fail("{}: is of domain '{}', expected '{}' as the others", where, node.domain(), kOwnDomain);
  if (node.output_size() != 1 || node.output(0) != node.name())
    Fail("{}: gives other values than '{}', expected that one", where, node.name());
  if (node.attribute_size() != 1 || node.attribute(0).name() != kProperties)
    Fail("{}: has {} attributes, expected '{}'", where, node.attribute_size(), kProperties);
  // Lists of numbers in an object, no deeper.
  const json::parser_callback_t shallow = [](int depth, json::parse_event_t, json&) {
    return depth <= 3;
  };
  json layer = json::parse(node.attribute(0).s(), shallow, false);
  if (!layer.is_object() || layer.contains("name") || layer.contains("inputs") ||
      !layer.contains("type") || !layer["type"].is_string())
    Fail("{}: attribute '{}' is no object of properties with a type", where, kProperties);
  if (const auto type = OperatorName(layer["type"].get<std::string>()); type != node.op_type())
    Fail("{}: its properties are those of {}, expected {}", where, type, node.op_type());
  layer["name"] = node.name();
  if (first) return layer;
  layer["inputs"] = json::array();
  for (const std::string& input : node.input()) layer["inputs"].push_back(input);
  return layer;
}

// Before there is memory for them.
void CheckTensors(const Graph& graph,
                  const std::map<std::string, const onnx::TensorProto*>& tensors,
                  const std::string& file) {
  size_t found = 0;
  for (const GraphParameter& parameter : graph.parameters()) {
    const std::string& name = parameter.spec.name;
    const auto tensor = tensors.find(name);
    if (tensor == tensors.end()) Fail("{}: has no tensor '{}', expected one", file, name);
    ++found;
    const std::string where = fmt::format("{}: tensor '{}'", file, name);
    const std::vector<int64_t> shape = ShapeOf(*tensor->second, where);
    if (shape != parameter.spec.shape)
      Fail("{} has shape [{}], expected [{}]", where, fmt::join(shape, ","),
           fmt::join(parameter.spec.shape, ","));
    FloatValues(*tensor->second, where);  // as many as it says
  }
  if (found != tensors.size())
    Fail("{}: has {} tensors, expected {} (the parameters of its layers)", file, tensors.size(),
         found);
}

}  // namespace

bool IsOverTime(const Graph& graph) {
  return graph.num_layers() > 0 && graph.layer(0).layer->is_input() &&
         graph.layout(graph.layer(0).output()).packed();
}

void WriteTimeGraph(const Network& network, onnx::ModelProto* model) {
  const Graph& graph = network.graph;
  onnx::GraphProto* out = model->mutable_graph();
  for (int i = 0; i < graph.num_layers(); ++i) {
    const LayerRecord& record = graph.layer(i);
    if (record.layer->is_input() != (i == 0))
      Fail("{} '{}': is {} layer, expected one input, the first", record.layer->type(),
           record.layer->name(), i == 0 ? "no input" : "another input");
    onnx::NodeProto* node = out->add_node();
    WriteNode(graph, record, node);
    if (i > 0) continue;
    const std::string name = record.layer->name() + "/steps";
    DescribeRows(name, graph.layout(record.output()), out->add_input());
    node->add_input(name);
  }
  for (const Parameter& parameter : network.parameters.list()) {
    *out->add_initializer() =
        MakeTensor(parameter.name, parameter.shape, network.parameters.Get(parameter));
    if (parameter.layer >= 0) out->mutable_node(parameter.layer)->add_input(parameter.name);
  }
  DescribeRows(graph.layers().back().layer->name(), graph.layout(graph.output()),
               out->add_output());
  onnx::OperatorSetIdProto* own = model->add_opset_import();
  own->set_domain(kOwnDomain);
  own->set_version(1);
}

bool HasTimeGraph(const onnx::ModelProto& model) {
  return model.graph().node_size() > 0 && model.graph().node(0).domain() == kOwnDomain;
}

Network ReadTimeGraph(const onnx::ModelProto& model, const std::string& file) {
  const auto tensors = TensorsOf(model);
  json layers = json::array();
  for (const onnx::NodeProto& node : model.graph().node()) {
    json layer = LayerOf(node, layers.empty(), file);
    if (layer.contains("inputs"))
      std::erase_if(layer["inputs"].get_ref<json::array_t&>(), [&](const json& input) {
        return tensors.contains(input.get_ref<const std::string&>());
      });
    layers.push_back(std::move(layer));
  }
  Network network;
  network.graph = ParseNetworkJson(
      json{{"layers", std::move(layers)}}.dump(-1, ' ', false, json::error_handler_t::replace),
      file);
  if (!IsOverTime(network.graph))
    Fail("{}: its first layer is no sequence input, expected one", file);
  if (model.graph().output_size() != 1 ||
      model.graph().output(0).name() != network.graph.layers().back().layer->name())
    Fail("{}: the graph's output is not what its last node gives", file);
  CheckTensors(network.graph, tensors, file);
  network.parameters = Parameters(network.graph);
  for (const Parameter& parameter : network.parameters.list()) {
    const std::vector<float> values = FloatValues(*tensors.at(parameter.name), file);
    std::ranges::copy(values, network.parameters.Get(parameter).begin());
  }
  return network;
}

}  // namespace normkit
