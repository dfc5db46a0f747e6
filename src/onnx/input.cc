// The graph's input and its normalization:
//   zerocenter         Sub(x, mean)
//   zscore             Div(Sub(x, mean), std)
//   rescale-zero-one   Div(Sub(x, min), Sub(max, min))
//   rescale-symmetric  Sub(Mul(that, 2), 1)
// The same operations as the layer's own, in the same order: runtimes give the same bits.
#include "src/nn/layers/input.h"

#include <utility>

#include "src/onnx/metadata.h"
#include "src/onnx/operator_functions.h"

namespace normkit {
namespace {

constexpr float kOne = 1, kTwo = 2;

// A statistic of the input, as a constant that broadcasts over [N,C,H,W], [N,C,D,H,W] or [N,C].
std::vector<int64_t> StatisticShape(const Layout& observation) {
  std::vector<int64_t> shape(static_cast<size_t>(observation.rank()), 1);
  shape[1] = observation.channels();
  return shape;
}

std::string WriteInputNormalization(LayerWriter& writer, InputNormalization normalization) {
  const std::vector<int64_t> shape = StatisticShape(writer.layouts().at(0));
  const auto statistic = [&](std::string_view name) {
    return writer.ParameterConstant(name, shape);
  };
  const std::string& x = writer.inputs().at(0);
  switch (normalization) {
    case InputNormalization::kNone:
      return x;
    case InputNormalization::kZerocenter:
      return writer.Node("Sub", "center", {x, statistic("mean")});
    case InputNormalization::kZscore: {
      const std::string centered = writer.Node("Sub", "center", {x, statistic("mean")});
      return writer.Node("Div", "scale", {centered, statistic("std")});
    }
    case InputNormalization::kRescaleZeroOne:
    case InputNormalization::kRescaleSymmetric:
      break;
  }
  const std::string low = statistic("min"), high = statistic("max");
  const std::string range = writer.Node("Sub", "range", {high, low});
  const std::string shifted = writer.Node("Sub", "shift", {x, low});
  const std::string scaled = writer.Node("Div", "scale", {shifted, range});
  if (normalization == InputNormalization::kRescaleZeroOne) return scaled;
  const std::string two = writer.Constant("two", {}, std::span(&kTwo, 1));
  const std::string doubled = writer.Node("Mul", "double", {scaled, two});
  return writer.Node("Sub", "symmetric",
                     {doubled, writer.Constant("one", {}, std::span(&kOne, 1))});
}

// The shape of the only graph input: the layer it is.
LayerPtr InputLayerOf(const std::string& where, const onnx::ValueInfoProto& input,
                      InputNormalization normalization) {
  const onnx::TypeProto::Tensor& tensor = input.type().tensor_type();
  if (!input.type().has_tensor_type() || tensor.elem_type() != onnx::TensorProto::FLOAT)
    Fail("{}: is not an f32 tensor, expected one", where);
  std::vector<int64_t> sizes;
  for (int axis = 1; axis < tensor.shape().dim_size(); ++axis) {
    if (!tensor.shape().dim(axis).has_dim_value())
      Fail("{}: the size of axis {} is not given, expected a number (only axis 0 is dynamic)",
           where, axis);
    sizes.push_back(tensor.shape().dim(axis).dim_value());
  }
  if (sizes.size() == 1)
    return FeatureInput(
        {.name = input.name(), .num_features = sizes[0], .normalization = normalization});
  if (sizes.size() == 4)
    return Image3dInput({.name = input.name(),
                         .input_size = {sizes[1], sizes[2], sizes[3], sizes[0]},
                         .normalization = normalization});
  if (sizes.size() != 3)
    Fail("{}: has {} axes, expected 5 (N,C,D,H,W), 4 (N,C,H,W) or 2 (N,C)", where,
         tensor.shape().dim_size());
  return ImageInput({.name = input.name(),
                     .input_size = {sizes[1], sizes[2], sizes[0]},
                     .normalization = normalization});
}

// Which nodes at the head of the graph are which normalization. `range`: the first one subtracts
// two constants.
struct Pattern {
  InputNormalization normalization;
  bool range;
  std::vector<std::string_view> nodes;
};
const std::vector<Pattern>& Patterns() {
  static const std::vector<Pattern> patterns = {
      {InputNormalization::kNone, false, {}},
      {InputNormalization::kZerocenter, false, {"Sub"}},
      {InputNormalization::kZscore, false, {"Sub", "Div"}},
      {InputNormalization::kRescaleZeroOne, true, {"Sub", "Div"}},
      {InputNormalization::kRescaleSymmetric, true, {"Sub", "Div", "Mul", "Sub"}}};
  return patterns;
}

// The nodes behind the first `skip` that change `value` one after the other, by their operators.
std::vector<std::string_view> Chain(const GraphReader& reader, int skip, std::string value) {
  std::vector<std::string_view> operators;
  for (int i = skip; i < reader.proto().node_size(); ++i) {
    const onnx::NodeProto& node = reader.proto().node(i);
    const std::string& type = node.op_type();
    if ((type != "Sub" && type != "Div" && type != "Mul") || node.input_size() != 2 ||
        node.output_size() != 1 || node.input(0) != value || reader.Readers(value) != 1 ||
        !reader.FormOfNode(node.name()).empty())
      break;
    operators.push_back(type);
    value = node.output(0);
  }
  return operators;
}

const Pattern& FindPattern(const GraphReader& reader, const std::string& where,
                           const std::string& input) {
  const auto& nodes = reader.proto().node();
  const bool range = !nodes.empty() && nodes[0].op_type() == "Sub" && nodes[0].input_size() == 2 &&
                     reader.IsConstant(nodes[0].input(0)) && reader.IsConstant(nodes[0].input(1));
  const std::vector<std::string_view> chain = Chain(reader, range ? 1 : 0, input);
  for (const Pattern& pattern : Patterns())
    if (pattern.range == range && pattern.nodes == chain) return pattern;
  Fail("{}: is normalized by {}{}, expected nothing, Sub, Sub and Div, or what rescales", where,
       range ? "a range and " : "", fmt::join(chain, ", "));
}

void ExpectScalar(const GraphReader& reader, const NodeReader& node, float expected) {
  if (reader.Floats(node, 1, {}).at(0) != expected)
    node.Refuse("'{}' is {}, expected {}", node.input(1), reader.Floats(node, 1, {}).at(0),
                expected);
}

// The statistics that the nodes of a pattern subtract and divide by; checks all nodes.
GraphReader::Values Statistics(const GraphReader& reader, const Pattern& pattern,
                               const std::vector<int64_t>& shape) {
  std::vector<NodeReader> nodes;
  for (size_t i = 0; i < pattern.nodes.size() + (pattern.range ? 1 : 0); ++i) {
    nodes.push_back(reader.Node(static_cast<int>(i)));
    nodes.back().ExpectInputs(2, 2);
    nodes.back().Done();
  }
  switch (pattern.normalization) {
    case InputNormalization::kNone:
      return {};
    case InputNormalization::kZerocenter:
      return {{"mean", reader.Floats(nodes[0], 1, shape)}};
    case InputNormalization::kZscore:
      return {{"mean", reader.Floats(nodes[0], 1, shape)},
              {"std", reader.Floats(nodes[1], 1, shape)}};
    case InputNormalization::kRescaleZeroOne:
    case InputNormalization::kRescaleSymmetric:
      break;
  }
  const NodeReader &range = nodes[0], &shift = nodes[1], &scale = nodes[2];
  if (shift.input(1) != range.input(1) || scale.input(1) != range.output())
    scale.Refuse("does not divide by the range '{}' of what is subtracted", range.output());
  if (pattern.normalization == InputNormalization::kRescaleSymmetric) {
    ExpectScalar(reader, nodes[3], kTwo);
    ExpectScalar(reader, nodes[4], kOne);
  }
  return {{"min", reader.Floats(range, 1, shape)}, {"max", reader.Floats(range, 0, shape)}};
}

const onnx::ValueInfoProto& OnlyInput(const GraphReader& reader) {
  const onnx::ValueInfoProto* only = nullptr;
  int inputs = 0;
  for (const onnx::ValueInfoProto& input : reader.proto().input()) {
    if (reader.IsConstant(input.name())) continue;  // old files list their constants as inputs
    only = &input;
    ++inputs;
  }
  if (inputs != 1) Fail("{}: the graph has {} inputs, expected 1", reader.file(), inputs);
  if (!IsName(only->name()))
    Fail("{}: input '{}': the name is not one, expected UTF-8 without control characters",
         reader.file(), only->name());
  return *only;
}

}  // namespace

void WriteInput(LayerWriter& writer) {
  const auto* layer = writer.As<InputLayer>();
  if (!layer)
    Fail("{} '{}': is no input layer, expected one as the first", writer.layer().type(),
         writer.layer().name());
  writer.set_output(WriteInputNormalization(writer, layer->normalization()));
}

void ReadInput(GraphReader& reader) {
  const onnx::ValueInfoProto& input = OnlyInput(reader);
  const std::string where = fmt::format("{}: input '{}'", reader.file(), input.name());
  const Pattern& pattern = FindPattern(reader, where, input.name());
  const LayerPtr layer = InputLayerOf(where, input, pattern.normalization);
  GraphReader::Values statistics = Statistics(
      reader, pattern, StatisticShape(dynamic_cast<const InputLayer&>(*layer).Observation()));
  const int nodes = static_cast<int>(pattern.nodes.size()) + (pattern.range ? 1 : 0);
  const std::string output = nodes > 0 ? reader.Node(nodes - 1).output() : input.name();
  reader.Consume(nodes);
  reader.AddInput(where, layer, output, std::move(statistics));
}

std::string InputNormalizationOf(const Graph& graph) {
  return std::string(Name(dynamic_cast<const InputLayer&>(*graph.layer(0).layer).normalization()));
}

}  // namespace normkit
