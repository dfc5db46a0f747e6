#include "src/onnx/forms.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "src/nn/layer_json.h"
#include "src/nn/own_layers.h"
#include "src/onnx/layer_forms.h"
#include "src/onnx/tensors.h"
#include "src/onnx/write_graph.h"

namespace normkit {
namespace {

using nlohmann::json;

constexpr bool (*kForms[])(LayerWriter&) = {
    WriteConvolutionForm,  WriteTransposedForm,     WritePoolingForm,       WriteResizeForm,
    WriteElementwiseForm,  WritePreluForm,          WriteLayerScaleForm,    WriteDynamicTanhForm,
    WriteCrossChannelForm, WriteMultiplicationForm, WriteNormalizationForm, WriteAttentionForm,
    WritePositionsForm};

// Those that a program's own function wrote, from node `first` on: whether they can be read again.
void CheckNodes(const LayerWriter& writer, int first) {
  const Layer& layer = writer.layer();
  const onnx::GraphProto& graph = *writer.graph().nodes();
  std::set<std::string> reads, gives;
  for (int i = first; i < graph.node_size(); ++i) {
    reads.insert(graph.node(i).input().begin(), graph.node(i).input().end());
    gives.insert(graph.node(i).output(0));
  }
  if (writer.output().empty())
    Fail("{} '{}': its nodes give nothing, expected a call of set_output", layer.type(),
         layer.name());
  if (!gives.contains(writer.output()))
    Fail("{} '{}': the output is '{}', expected what one of its nodes gives", layer.type(),
         layer.name(), writer.output());
  for (const auto& [parameter, constant] : writer.parameter_constants())
    if (!reads.contains(constant))
      Fail("{} '{}': no node reads the constant of parameter '{}', expected one", layer.type(),
           layer.name(), parameter);
}

bool WriteNodes(LayerWriter& writer) {
  if (std::ranges::any_of(kForms, [&](auto* write) { return write(writer); })) return true;
  const OwnLayer* own = FindOwnLayer(writer.layer().type());
  if (!own || !own->write_onnx) return false;
  const int first = writer.graph().nodes()->node_size();
  Called(writer.layer(), [&] { own->write_onnx(writer.layer(), writer); });
  CheckNodes(writer, first);
  return true;
}

std::vector<std::string> AttributesOf(const onnx::NodeProto& node) {
  std::vector<std::string> attributes;
  for (const onnx::AttributeProto& attribute : node.attribute())
    attributes.push_back(attribute.SerializeAsString());
  std::ranges::sort(attributes);
  return attributes;
}

// The nodes of a file beside those that the layer is written as.
class FormMatcher {
 public:
  FormMatcher(const GraphReader& reader, const LayerWriter& writer,
              const onnx::GraphProto& expected, const std::string& layer)
      : reader_(reader), writer_(writer), expected_(expected), layer_(layer) {
    for (const onnx::TensorProto& tensor : expected.initializer())
      constants_.emplace(tensor.name(), &tensor);
    names_[""] = "";  // an input left out
  }

  // What the layer reads is called so in the file.
  void Bind(const std::string& expected, const std::string& name) { names_[expected] = name; }

  void Match() {
    for (int i = 0; i < expected_.node_size(); ++i) {
      if (i >= reader_.left())
        Fail("{}: the graph ends before the node '{}' of layer '{}'", reader_.file(),
             expected_.node(i).name(), layer_);
      MatchNode(reader_.Node(i), reader_.proto(i), expected_.node(i));
    }
  }
  std::string NameOf(const std::string& expected) const { return names_.at(expected); }

  GraphReader::Values Values() const {
    GraphReader::Values values;
    for (const auto& [parameter, constant] : writer_.parameter_constants()) {
      const std::string where = fmt::format("{}: layer '{}'", reader_.file(), layer_);
      values.emplace_back(parameter,
                          FloatValues(*reader_.FindConstant(names_.at(constant)), where));
    }
    return values;
  }

 private:
  void MatchNode(const NodeReader& node, const onnx::NodeProto& proto,
                 const onnx::NodeProto& expected) {
    if (proto.op_type() != expected.op_type() || proto.domain() != expected.domain() ||
        AttributesOf(proto) != AttributesOf(expected) ||
        proto.input_size() != expected.input_size() ||
        proto.output_size() != expected.output_size())
      node.Refuse("is not what layer '{}' of the metadata does, expected its '{}' ({})", layer_,
                  expected.name(), expected.op_type());
    for (int i = 0; i < expected.input_size(); ++i)
      MatchInput(node, proto.input(i), expected.input(i));
    names_[expected.output(0)] = proto.output(0);
  }

  void MatchInput(const NodeReader& node, const std::string& name, const std::string& expected) {
    if (const auto bound = names_.find(expected); bound != names_.end()) {
      if (bound->second != name)
        node.Refuse("reads '{}', expected '{}' (layer '{}' of the metadata)", name, bound->second,
                    layer_);
      return;
    }
    if (const auto constant = constants_.find(expected); constant != constants_.end())
      MatchConstant(node, name, *constant->second);
    names_[expected] = name;
  }

  void MatchConstant(const NodeReader& node, const std::string& name,
                     const onnx::TensorProto& expected) {
    const onnx::TensorProto* tensor = reader_.FindConstant(name);
    const std::vector<int64_t> shape = ShapeOf(expected, node.where());
    if (!tensor || tensor->data_type() != expected.data_type() ||
        ShapeOf(*tensor, node.where()) != shape)
      node.Refuse("input '{}' is not '{}' [{}], expected it (layer '{}' of the metadata)", name,
                  expected.name(), fmt::join(shape, ","), layer_);
    if (!writer_.IsParameterConstant(expected.name()) && !SameValues(node, *tensor, expected))
      node.Refuse("'{}' has other values than layer '{}' of the metadata", name, layer_);
  }

  static bool SameValues(const NodeReader& node, const onnx::TensorProto& tensor,
                         const onnx::TensorProto& expected) {
    if (expected.data_type() == onnx::TensorProto::INT64)
      return IntValues(tensor, node.where()) == IntValues(expected, node.where());
    return FloatValues(tensor, node.where()) == FloatValues(expected, node.where());
  }

  const GraphReader& reader_;
  const LayerWriter& writer_;
  const onnx::GraphProto& expected_;
  const std::string& layer_;
  std::map<std::string, const onnx::TensorProto*> constants_;
  std::map<std::string, std::string> names_;  // expected: of the file
};

std::vector<Value> InputsOf(const GraphReader& reader, json& form, const std::string& where) {
  std::vector<Value> inputs;
  const json names = form.contains("inputs") ? form["inputs"] : json::array();
  form.erase("inputs");
  if (!names.is_array() || names.empty()) Fail("{}: has no inputs, expected a list", where);
  for (const json& name : names) {
    const int layer = name.is_string() ? reader.network().Find(name.get<std::string>()) : -1;
    if (layer < 0) Fail("{}: an input is not the name of a layer before it", where);
    inputs.push_back(reader.network().layer(layer).output());
  }
  return inputs;
}

}  // namespace

bool WriteForm(LayerWriter& writer, const std::vector<std::string>& input_layers) {
  if (!WriteNodes(writer)) return false;
  json form = LayerToJson(writer.layer());
  form["inputs"] = input_layers;
  writer.set_properties(std::move(form));
  return true;
}

bool ReadForm(GraphReader& reader, int64_t opset) {
  const std::string name = reader.FormOfNode(reader.Node().name());
  if (name.empty()) return false;
  const NodeReader first = reader.Node();
  const std::string where =
      fmt::format("{}: metadata 'normkit.layers': layer '{}'", reader.file(), name);
  json form = reader.Form(name);
  const std::vector<Value> inputs = InputsOf(reader, form, where);
  const LayerPtr layer = LayerFromJson(form, name, inputs.size(), where);
  Graph alone;  // the layer, to see what it is written as
  std::vector<Value> reads;
  std::vector<std::string> names;
  std::vector<Layout> layouts;
  for (const Value input : inputs) {
    layouts.push_back(reader.LayoutOf(input));
    reads.push_back(alone.AddInput({DType::kF32, layouts.back()}));
    names.push_back(fmt::format("input {}", names.size()));
  }
  first.Checked([&] { return alone.Add(layer, reads); });
  onnx::GraphProto expected;
  GraphWriter graph(&expected);
  LayerWriter writer(&graph, alone, nullptr, alone.layers().back(), names, layouts);
  if (!WriteNodes(writer)) Fail("{}: is no such layer", where);
  FormMatcher matcher(reader, writer, expected, name);
  for (size_t i = 0; i < inputs.size(); ++i) matcher.Bind(names[i], reader.NameOf(inputs[i]));
  matcher.Match();
  if (const int oldest = OpsetFor(expected, graph); oldest > opset)
    first.Refuse("begins a layer in a model of opset {}, expected at least {}", opset, oldest);
  reader.Add(first, layer, inputs, matcher.NameOf(writer.output()), matcher.Values());
  reader.Consume(expected.node_size());
  return true;
}

}  // namespace normkit
