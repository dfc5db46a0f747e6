// Fully connected layers, and the flattening before them.
#include <utility>

#include "src/nn/layers/fully_connected.h"
#include "src/onnx/operator_functions.h"

namespace normkit {
bool WriteGemm(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<FullyConnectedLayer>();
  if (!layer) return false;
  const FullyConnectedOptions& options = layer->options();
  std::vector<std::string> inputs = writer.inputs();
  inputs.push_back(writer.ParameterConstant(
      "weights", {options.output_size, writer.layouts().at(0).channels()}));
  if (options.bias) inputs.push_back(writer.ParameterConstant("bias", {options.output_size}));
  writer.set_output(writer.Node(type, "", inputs));
  writer.Int("transB", 1);
  writer.SetProperties(options, FullyConnectedOptions());
  return true;
}

void ReadGemm(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.ExpectInputs(2, 3);
  for (const char* factor : {"alpha", "beta"}) {
    const float given = node.Float(factor, 1);
    if (given != 1) node.Refuse("attribute '{}' is {}, expected 1", factor, given);
  }
  node.Expect("transA", 0);
  if (node.Int("transB", 0) != 1) node.Refuse("attribute 'transB' is 0, expected 1");
  node.Done();
  const std::vector<int64_t> weights = reader.ConstantShape(node, 1);
  if (weights.size() != 2)
    node.Refuse("weights '{}' have {} axes, expected 2", node.input(1), weights.size());
  FullyConnectedOptions options;
  options.name = node.name();
  options.output_size = weights[0];
  options.bias = node.HasInput(2);
  reader.ReadProperties(node, &options);
  GraphReader::Values values{{"weights", reader.Floats(node, 1, weights)}};
  if (options.bias) values.emplace_back("bias", reader.Floats(node, 2, {weights[0]}));
  reader.Add(node, node.Checked([&] { return FullyConnected(options); }), {reader.Input(node, 0)},
             node.output(), std::move(values));
  reader.Consume(1);
}

bool WriteFlatten(LayerWriter& writer, std::string_view type) {
  if (!WriteNamed(writer, type)) return false;
  writer.Int("axis", 1);
  return true;
}

void ReadFlatten(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.ExpectInputs(1, 1);
  node.Expect("axis", 1);
  node.Done();
  reader.Add(node, Flatten(node.name()), {reader.Input(node, 0)}, node.output());
  reader.Consume(1);
}

}  // namespace normkit
