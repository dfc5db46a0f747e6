// Normalization of sequences. Over channels alone, and by trained statistics, ONNX has operators;
// those whose statistics are of a whole sequence are spelled out, so that padding stays out of
// them.
#include "src/nn/layers/normalization.h"

#include "src/onnx/time/rows.h"
#include "src/onnx/time/values.h"

namespace normkit {
namespace {

using Kind = NormKind;

// Scale or offset, or what stands for it where the layer has none.
std::string WriteAffine(LayerWriter& writer, const NormalizationLayer& layer, std::string_view name,
                        float otherwise) {
  const int64_t channels = writer.layouts()[0].channels();
  if (layer.options().affine) return writer.ParameterConstant(name, {channels});
  writer.graph().CountBytes(static_cast<double>(channels) * sizeof(float));
  const std::vector<float> values(static_cast<size_t>(channels), otherwise);
  return writer.Constant(name, {channels}, std::span<const float>(values));
}

std::string WriteOfChannels(LayerWriter& writer, const NormalizationLayer& layer) {
  std::vector<std::string> inputs{writer.inputs()[0], WriteAffine(writer, layer, "scale", 1)};
  if (RowOf(layer.kind()).has_offset) inputs.push_back(WriteAffine(writer, layer, "offset", 0));
  std::string y = writer.Node(RowOf(layer.kind()).onnx, "", std::move(inputs));
  writer.Int("axis", -1);
  writer.Float("epsilon", layer.options().epsilon);
  return y;
}

std::string WriteOfTrained(LayerWriter& writer, const NormalizationLayer& layer) {
  const int64_t channels = writer.layouts()[0].channels();
  std::vector<std::string> inputs{WriteTransposed(writer, "channels_first", writer.inputs()[0]),
                                  WriteAffine(writer, layer, "scale", 1),
                                  WriteAffine(writer, layer, "offset", 0),
                                  writer.ParameterConstant("trained_mean", {channels}),
                                  writer.ParameterConstant("trained_variance", {channels})};
  const std::string y = writer.Node("BatchNormalization", "", std::move(inputs));
  writer.Float("epsilon", layer.options().epsilon);
  writer.Float("momentum", 1 - layer.options().mean_decay);
  return WriteTransposed(writer, "channels_last", y);
}

// Over the steps of a sequence and the channels of each of `groups`.
std::string WriteOfSequences(LayerWriter& writer, const NormalizationLayer& layer, int64_t groups) {
  const int64_t channels = writer.layouts()[0].channels(), size = channels / groups;
  TimeValues& time = writer.time();
  const auto node = [&](std::string_view op, std::string_view part,
                        std::vector<std::string> inputs) {
    return writer.Node(op, part, std::move(inputs));
  };
  const std::string mask = node("Unsqueeze", "mask", {time.mask(), time.Whole({3})});
  const std::string lengths =
      node("Unsqueeze", "lengths", {time.lengths_f32(), time.Whole({2, 3})});
  const std::string count =
      node("Mul", "count", {lengths, writer.Number("channels", static_cast<float>(size))});
  const auto mean = [&](const std::string& part, const std::string& x) {
    const std::string sum = node("ReduceSum", part + "_sum", {x, time.Whole({1, 3})});
    return node("Div", part, {sum, count});
  };
  const std::string x =
      node("Reshape", "groups", {writer.inputs()[0], time.Whole({0, 0, groups, size})});
  const std::string steps = node("Where", "steps", {mask, x, time.zero()});
  std::string kept = steps;
  if (layer.SpecFor(writer.layouts()[0]).center) {
    const std::string centered = node("Sub", "centered", {x, mean("mean", steps)});
    kept = node("Where", "deviations", {mask, centered, time.zero()});
  }
  const std::string variance = mean("variance", node("Mul", "squares", {kept, kept}));
  const std::string epsilon = writer.Number("epsilon", static_cast<float>(layer.options().epsilon));
  const std::string deviation =
      node("Sqrt", "deviation", {node("Add", "variance_epsilon", {variance, epsilon})});
  const std::string quotient = node("Div", "quotient", {kept, deviation});
  const std::string normalized =
      node("Reshape", "normalized", {quotient, time.Whole({0, 0, channels})});
  if (!layer.options().affine) return normalized;
  const std::string scaled =
      node("Mul", "scaled", {normalized, writer.ParameterConstant("scale", {channels})});
  if (!layer.has_offset()) return scaled;
  return node("Add", "", {scaled, writer.ParameterConstant("offset", {channels})});
}

}  // namespace

bool WriteTimeNormalization(LayerWriter& writer) {
  const auto* layer = writer.As<NormalizationLayer>();
  if (!layer) return false;
  const Layout& x = writer.layouts()[0];
  const Kind kind = layer->kind();
  if (kind == Kind::kBatch)
    writer.set_output(WriteOfTrained(writer, *layer));
  else if (!(layer->SpecFor(x).reduce & kT))
    writer.set_output(WriteOfChannels(writer, *layer));
  else
    writer.set_output(WriteOfSequences(
        writer, *layer, kind == Kind::kInstance ? x.channels() : layer->GroupsFor(x)));
  return true;
}

}  // namespace normkit
