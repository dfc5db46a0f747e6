// The normalization layers (docs/onnx.md has the table of what becomes what).
#include "normkit/norm/normalization.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "src/nn/layers/normalization.h"
#include "src/onnx/operator_functions.h"

namespace normkit {
namespace {

using Kind = NormKind;
using Options = NormalizationProperties;

// The nodes around the operator: over channels alone, ONNX normalizes only where they are the last
// axis. Everything else is the operator alone.
struct Wrapping {
  std::string_view before, after;  // operators
  std::string_view before_part, after_part;
};
constexpr Wrapping kChannelsLast{"Transpose", "Transpose", "channels_last", "channels_first"};

// Of so many axes: the channels behind space, and in front of it.
using Perm = std::vector<int64_t>;
Perm ChannelsBehind(int rank) {
  Perm perm{0};
  for (int64_t axis = 2; axis < rank; ++axis) perm.push_back(axis);
  perm.push_back(1);
  return perm;
}
Perm ChannelsInFront(int rank) {
  Perm perm{0, rank - 1};
  for (int64_t axis = 1; axis < rank - 1; ++axis) perm.push_back(axis);
  return perm;
}

const Wrapping* WrappingOf(const NormalizationLayer& layer, const Layout& x) {
  const bool over_channels = layer.kind() == Kind::kLayer || layer.kind() == Kind::kRms;
  return over_channels && x.Has(kS) && !(layer.SpecFor(x).reduce & kS) ? &kChannelsLast : nullptr;
}

// Scale and offset of layer normalization over [C,H,W] broadcast over it; all others are [C].
std::vector<int64_t> ScaleShape(Kind kind, const Wrapping* wrapping, const Layout& x) {
  std::vector<int64_t> shape{x.channels()};
  if (kind == Kind::kLayer && !wrapping) shape.resize(static_cast<size_t>(x.rank()) - 1, 1);
  return shape;
}

// Attributes of the operator; f32, as the node has them.
struct Attributes {
  float epsilon = 1e-5f;
  float momentum = 0.9f;  // batch: weighs the old value
  int64_t groups = 1;     // group
};

// The properties as the nodes alone say them.
Options PlainOptions(Kind kind, const Wrapping* wrapping, const Attributes& attributes) {
  Options plain;
  plain.epsilon = attributes.epsilon;
  if (kind == Kind::kBatch)
    plain.mean_decay = plain.variance_decay = DecayFromOnnxMomentum(attributes.momentum);
  if (kind == Kind::kLayer && wrapping)
    plain.operation_dimension = OperationDimension::kChannelOnly;
  if (kind == Kind::kGroup) plain.num_groups = attributes.groups;
  return plain;
}

void WriteAttributes(LayerWriter& writer, const NormalizationLayer& layer, const Wrapping* wrapping,
                     const Attributes& attributes) {
  const Kind kind = layer.kind();
  if (kind == Kind::kLayer || kind == Kind::kRms) writer.Int("axis", wrapping ? -1 : 1);
  writer.Float("epsilon", attributes.epsilon);
  if (kind == Kind::kBatch) writer.Float("momentum", attributes.momentum);
  if (kind == Kind::kGroup) writer.Int("num_groups", attributes.groups);
}

Attributes ReadAttributes(NodeReader& node, Kind kind, const Wrapping* wrapping, const Layout& x) {
  Attributes attributes;
  attributes.epsilon = node.Float("epsilon", attributes.epsilon);
  if (kind == Kind::kBatch) {
    attributes.momentum = node.Float("momentum", attributes.momentum);
    node.Expect("training_mode", 0);
  }
  if (kind == Kind::kGroup) attributes.groups = node.Int("num_groups", 0);
  if (kind == Kind::kLayer || kind == Kind::kRms) {
    const int64_t given = node.Int("axis", -1), axis = given < 0 ? given + x.rank() : given;
    const int64_t expected = wrapping ? x.rank() - 1 : 1;
    if (axis != expected)
      node.Refuse("attribute 'axis' is {}, expected {} ({})", given, expected,
                  wrapping ? "channels, behind Transpose" : "all but observations");
  }
  if (kind != Kind::kBatch && kind != Kind::kInstance) node.Expect("stash_type", 1);
  node.Done();
  return attributes;
}

// Leaves out the scale and offset of a layer that has none, which have to be 1 and 0.
void DropConstants(const NodeReader& node, GraphReader::Values& values) {
  std::erase_if(values, [&](const auto& one) {
    if (one.first != "scale" && one.first != "offset") return false;
    const float expected = one.first == "scale" ? 1 : 0;
    if (std::ranges::any_of(one.second, [&](float x) { return x != expected; }))
      node.Refuse("its {} is not {} everywhere, expected that (affine is false in the metadata)",
                  one.first, expected);
    return true;
  });
}

GraphReader::Values ReadValues(const GraphReader& reader, const NodeReader& node, Kind kind,
                               const std::vector<int64_t>& shape) {
  GraphReader::Values values{{"scale", reader.Floats(node, 1, shape)}};
  if (!RowOf(kind).has_offset) return values;
  const bool zeros = kind == Kind::kLayer && !node.HasInput(2);  // its offset is optional
  values.emplace_back("offset", zeros ? std::vector<float>(values[0].second.size())
                                      : reader.Floats(node, 2, shape));
  if (kind == Kind::kBatch) {
    values.emplace_back("trained_mean", reader.Floats(node, 3, shape));
    values.emplace_back("trained_variance", reader.Floats(node, 4, shape));
  }
  return values;
}

// What the metadata says has to be what the nodes do.
void ExpectSameMeaning(const NodeReader& node, const NormalizationLayer& layer, const Layout& x,
                       const Wrapping* wrapping, const Attributes& attributes) {
  const Options& options = layer.options();
  node.ExpectSame("epsilon", attributes.epsilon, options.epsilon);
  if (layer.kind() == Kind::kBatch)
    node.ExpectSame("momentum", attributes.momentum, 1 - options.mean_decay);
  if (layer.GroupsFor(x) != attributes.groups)
    node.Refuse("attribute 'num_groups' is {}, expected {} (num_groups {} in the metadata)",
                attributes.groups, layer.GroupsFor(x), options.num_groups);
  if (WrappingOf(layer, x) != wrapping)
    node.Refuse("normalizes other axes than operation_dimension '{}' of the metadata",
                Name(options.operation_dimension));
}

// Reads the operator `ahead` of the next node, with what wraps it.
void Read(GraphReader& reader, const Wrapping* wrapping) {
  NodeReader node = reader.Node(wrapping ? 1 : 0), first = reader.Node();
  const NodeReader last = reader.Node(wrapping ? 2 : 0);
  const auto kind = std::ranges::find(NormKinds(), node.op_type(), &NormKindRow::onnx)->kind;
  const int inputs = kind == Kind::kBatch ? 5 : RowOf(kind).has_offset ? 3 : 2;
  node.ExpectInputs(kind == Kind::kLayer ? 2 : inputs, inputs);
  const Layout& x = reader.InputLayout(first, 0);
  const Attributes attributes = ReadAttributes(node, kind, wrapping, x);
  Options options = PlainOptions(kind, wrapping, attributes);
  options.name = node.name();
  reader.ReadProperties(node, &options, Bit(kind));
  const auto layer =
      node.Checked([&] { return std::make_shared<NormalizationLayer>(kind, std::move(options)); });
  node.Checked([&] {
    layer->CheckInput(x);
    return 0;
  });
  ExpectSameMeaning(node, *layer, x, wrapping, attributes);
  GraphReader::Values values = ReadValues(reader, node, kind, ScaleShape(kind, wrapping, x));
  if (!layer->options().affine) DropConstants(node, values);
  reader.Add(node, layer, {reader.Input(first, 0)}, last.output(), std::move(values));
  reader.Consume(wrapping ? 3 : 1);
}

// Whether the next nodes are an operator of `kinds` between the two nodes of the wrapping.
bool IsWrapped(const GraphReader& reader, const Wrapping& wrapping,
               std::initializer_list<Kind> kinds) {
  return reader.Node().op_type() == wrapping.before && reader.PeekChain(2, wrapping.after) &&
         std::any_of(kinds.begin(), kinds.end(),
                     [&](Kind kind) { return reader.PeekChain(1, RowOf(kind).onnx); });
}

void ExpectPerm(NodeReader node, const Perm& expected) {
  node.ExpectInputs(1, 1);
  const Perm perm = node.Ints("perm", Perm(expected.size()));
  node.Done();
  if (perm != expected)
    node.Refuse("attribute 'perm' is [{}], expected [{}]", fmt::join(perm, ","),
                fmt::join(expected, ","));
}

// What the operator wants where the layer has neither scale nor offset.
std::string Constants(LayerWriter& writer, std::string_view name, const std::vector<int64_t>& shape,
                      float value) {
  writer.graph().CountBytes(static_cast<double>(shape[0]) * sizeof(float));
  const std::vector<float> values(static_cast<size_t>(shape[0]), value);  // [C] or [C,1,1]
  return writer.Constant(name, shape, std::span(values));
}

}  // namespace

bool WriteNormalization(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<NormalizationLayer>();
  if (!layer || RowOf(layer->kind()).onnx != type) return false;
  const Kind kind = layer->kind();
  const Options& options = layer->options();
  const Layout& x = writer.layouts().at(0);
  const Wrapping* wrapping = WrappingOf(*layer, x);
  const Attributes attributes{static_cast<float>(options.epsilon),
                              static_cast<float>(1 - options.mean_decay), layer->GroupsFor(x)};

  std::string value = writer.inputs().at(0);
  const auto wrap = [&](std::string_view op, std::string_view part, const Perm& perm) {
    value = writer.Node(op, part, {value});
    writer.Ints("perm", perm);
  };
  if (wrapping) wrap(wrapping->before, wrapping->before_part, ChannelsBehind(x.rank()));
  const std::vector<int64_t> shape = ScaleShape(kind, wrapping, x);
  const bool affine = options.affine;
  std::vector<std::string> inputs{value, affine ? writer.ParameterConstant("scale", shape)
                                                : Constants(writer, "scale", shape, 1)};
  if (RowOf(kind).has_offset)
    inputs.push_back(affine ? writer.ParameterConstant("offset", shape)
                            : Constants(writer, "offset", shape, 0));
  if (kind == Kind::kBatch) {
    inputs.push_back(writer.ParameterConstant("trained_mean", shape));
    inputs.push_back(writer.ParameterConstant("trained_variance", shape));
  }
  value = writer.Node(type, "", inputs);
  WriteAttributes(writer, *layer, wrapping, attributes);
  if (wrapping) wrap(wrapping->after, wrapping->after_part, ChannelsInFront(x.rank()));
  writer.set_output(value);
  writer.SetProperties(options, PlainOptions(kind, wrapping, attributes));
  return true;
}

void ReadNormalization(GraphReader& reader) { Read(reader, nullptr); }

void ReadWrappedNormalization(GraphReader& reader) {
  const NodeReader first = reader.Node();
  if (IsWrapped(reader, kChannelsLast, {Kind::kLayer, Kind::kRms})) {
    const int rank = reader.InputLayout(first, 0).rank();
    ExpectPerm(first, ChannelsBehind(rank));
    ExpectPerm(reader.Node(2), ChannelsInFront(rank));
    Read(reader, &kChannelsLast);
  } else {
    first.Refuse("is supported only before a normalization, expected {} and its inverse",
                 "Transpose, LayerNormalization or RMSNormalization");
  }
}

}  // namespace normkit
