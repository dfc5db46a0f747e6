// Layers without parameters that map every element, or every observation, on its own.
#include <algorithm>
#include <memory>

#include "normkit/nn/layers.h"
#include "src/nn/layers/plain.h"
#include "src/onnx/rows.h"

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
  if (!layer || layer->row().onnx != type) return false;
  writer.set_output(writer.Node(type, "", writer.inputs()));
  return true;
}

void ReadElementwise(GraphReader& reader) {
  const NodeReader node = reader.Node();
  const auto row = std::ranges::find(ops::ElementwiseTable(), node.op_type(),
                                     [](const auto& r) { return std::string(r.onnx); });
  AddOnly(reader, node, std::make_shared<ElementwiseLayer>(*row, node.name()));
}

bool WriteNamed(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<NamedLayer>();
  if (!layer || layer->kind().onnx != type) return false;
  writer.set_output(writer.Node(type, "", writer.inputs()));
  return true;
}

void ReadGlobalAverage(GraphReader& reader) {
  const NodeReader node = reader.Node();
  AddOnly(reader, node, GlobalAveragePooling2d(node.name()));
}

// The other form, by tanh, is another function.
void ReadGelu(GraphReader& reader) {
  NodeReader node = reader.Node();
  const std::string approximate = node.Text("approximate", "none");
  if (approximate != "none")
    node.Refuse("attribute 'approximate' is '{}', expected 'none' (the only one supported)",
                approximate);
  AddOnly(reader, node, Gelu(node.name()));
}

namespace {

// As far as a node can say it: the attribute is f32.
LeakyReluOptions PlainLeakyRelu(const std::string& name, float alpha) {
  return {.name = name, .scale = alpha};
}

}  // namespace

bool WriteLeakyRelu(LayerWriter& writer, std::string_view type) {
  if (!WriteElementwise(writer, type)) return false;
  const auto* layer = writer.As<ElementwiseLayer>();
  const LeakyReluOptions options{layer->name(), layer->property()};
  writer.Float("alpha", options.scale);
  writer.SetProperties(options, PlainLeakyRelu(options.name, static_cast<float>(options.scale)));
  return true;
}

void ReadLeakyRelu(GraphReader& reader) {
  NodeReader node = reader.Node();
  const float alpha = node.Float("alpha", 0.01f);
  LeakyReluOptions options = PlainLeakyRelu(node.name(), alpha);
  reader.ReadProperties(node, &options);
  node.ExpectSame("alpha", alpha, options.scale);
  AddOnly(reader, node, node.Checked([&] { return LeakyRelu(options); }));
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
  writer.Int("axis", 1);
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
