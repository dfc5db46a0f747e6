// Layers that join several values.
#include "src/nn/layers/plain.h"
#include "src/onnx/operator_functions.h"

namespace normkit {
namespace {

std::vector<Value> Inputs(const GraphReader& reader, const NodeReader& node) {
  std::vector<Value> inputs;
  for (int i = 0; i < node.inputs(); ++i) inputs.push_back(reader.Input(node, i));
  return inputs;
}

constexpr int kMostInputs = 1 << 10;

bool WriteAddition(LayerWriter& writer, std::string_view type, bool two) {
  if (!writer.As<AdditionLayer>() || (writer.inputs().size() == 2) != two) return false;
  writer.set_output(writer.Node(type, "", writer.inputs()));
  return true;
}

void Read(GraphReader& reader, const NodeReader& node, const LayerPtr& layer) {
  node.Done();
  reader.Add(node, layer, Inputs(reader, node), node.output());
  reader.Consume(1);
}

}  // namespace

bool WriteAdd(LayerWriter& writer, std::string_view type) {
  return WriteAddition(writer, type, true);
}

bool WriteSum(LayerWriter& writer, std::string_view type) {
  return WriteAddition(writer, type, false);
}

void ReadAddition(GraphReader& reader) {
  const NodeReader node = reader.Node();
  const bool two = node.op_type() == "Add";
  node.ExpectInputs(2, two ? 2 : kMostInputs);
  Read(reader, node,
       node.Checked([&] { return Addition({.name = node.name(), .num_inputs = node.inputs()}); }));
}

bool WriteConcat(LayerWriter& writer, std::string_view type) {
  if (!writer.As<ConcatenationLayer>()) return false;
  writer.set_output(writer.Node(type, "", writer.inputs()));
  writer.Int("axis", writer.channel_axis());
  return true;
}

void ReadConcat(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.ExpectInputs(1, kMostInputs);
  node.Expect("axis", 1);
  Read(reader, node, node.Checked([&] {
    return Concatenation({.name = node.name(), .num_inputs = node.inputs()});
  }));
}

}  // namespace normkit
