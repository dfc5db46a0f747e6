// Layers without parameters that map every element, or every observation, on its own.
#include <algorithm>
#include <memory>

#include "normkit/nn/layers.h"
#include "src/nn/layers/plain.h"
#include "src/onnx/operator_functions.h"

namespace normkit {
namespace {

void AddOnly(GraphReader& reader, const NodeReader& node, const LayerPtr& layer) {
  node.ExpectInputs(1, 1);
  node.Done();
  reader.Add(node, layer, {reader.Input(node, 0)}, node.output());
  reader.Consume(1);
}

}  // namespace

// A row of the table of elementwise operations says its operator.
bool WriteElementwise(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<ElementwiseLayer>();
  if (!layer || layer->options().row->onnx.type != type) return false;
  const ElementwiseOptions& options = layer->options();
  writer.set_output(writer.Node(type, "", writer.inputs()));
  if (options.row->onnx.attribute.empty()) return true;
  writer.Float(options.row->onnx.attribute, options.number);
  // As far as a node can say it: the attribute is f32.
  const ElementwiseOptions plain{options.row, static_cast<float>(options.number)};
  writer.SetProperties(options, plain);
  return true;
}

void ReadElementwise(GraphReader& reader) {
  NodeReader node = reader.Node();
  const auto table = ops::ElementwiseTable();
  const ops::Elementwise& row = *std::ranges::find_if(
      table, [&](const ops::Elementwise& one) { return one.onnx.type == node.op_type(); });
  const auto& [type, opset, attribute, text, value] = row.onnx;
  if (!text.empty()) {
    const std::string given = node.Text(std::string(text), std::string(value));
    if (given != value)
      node.Refuse("attribute '{}' is '{}', expected '{}' (the only one supported)", text, given,
                  value);
  }
  ElementwiseOptions options{&row};
  if (!attribute.empty()) {
    const float given = node.Float(std::string(attribute), static_cast<float>(options.number));
    options.number = given;
    reader.ReadProperties(node, &options);
    node.ExpectSame(std::string(attribute), given, options.number);
  }
  AddOnly(reader, node,
          node.Checked([&] { return std::make_shared<ElementwiseLayer>(node.name(), options); }));
}

bool WriteNamed(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<NamedLayer>();
  if (!layer || layer->kind().onnx != type) return false;
  writer.set_output(writer.Node(type, "", writer.inputs()));
  return true;
}

void ReadGlobalAverage(GraphReader& reader) {
  const NodeReader node = reader.Node();
  AddOnly(reader, node,
          reader.InputLayout(node, 0).format() == "BSSSC" ? GlobalAveragePooling3d(node.name())
                                                          : GlobalAveragePooling2d(node.name()));
}

namespace {

DropoutOptions PlainDropout(const std::string& name, float ratio) {
  return {.name = name, .probability = ratio};
}

}  // namespace

// Without its third input, Dropout passes its input through in every runtime.
bool WriteDropout(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<DropoutLayer>();
  if (!layer) return false;
  const DropoutOptions& options = layer->options();
  const float ratio = static_cast<float>(options.probability);
  std::vector<std::string> inputs = writer.inputs();
  inputs.push_back(writer.Constant("probability", {}, std::span(&ratio, 1)));
  writer.set_output(writer.Node(type, "", inputs));
  writer.SetProperties(options, PlainDropout(options.name, ratio));
  return true;
}

void ReadDropout(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.ExpectInputs(1, 2);
  node.Done();
  const float ratio = node.HasInput(1) ? reader.Floats(node, 1, {})[0] : 0.5f;
  DropoutOptions options = PlainDropout(node.name(), ratio);
  reader.ReadProperties(node, &options);
  node.ExpectSame("ratio", ratio, options.probability);
  reader.Add(node, node.Checked([&] { return Dropout(options); }), {reader.Input(node, 0)},
             node.output());
  reader.Consume(1);
}

bool WriteSoftmax(LayerWriter& writer, std::string_view type) {
  if (!WriteNamed(writer, type)) return false;
  writer.Int("axis", writer.channel_axis());
  return true;
}

void ReadSoftmax(GraphReader& reader) {
  NodeReader node = reader.Node();
  const int64_t last = reader.InputLayout(node, 0).rank() - 1;
  const int64_t axis = node.Int("axis", -1);
  if (axis != 1 && !(axis == -1 && last == 1))
    node.Refuse("attribute 'axis' is {}, expected 1 (channels)", axis);
  AddOnly(reader, node, Softmax(node.name()));
}

}  // namespace normkit
