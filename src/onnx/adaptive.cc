// Instance normalizations whose scale and offset come from elsewhere: ONNX's takes constants, so
// that the product and the sum are nodes of their own.
#include <utility>

#include "src/nn/layers/conditional.h"
#include "src/onnx/operator_functions.h"

namespace normkit {
namespace {

// scale * InstanceNormalization(x) + offset, both [N,C].
std::string WriteScaled(LayerWriter& writer, double epsilon, const std::string& scale,
                        const std::string& offset) {
  const int64_t channels = writer.layouts().at(0).channels();
  const std::vector<float> ones(static_cast<size_t>(channels), 1), zeros(ones.size());
  const int64_t shape[] = {-1, channels, 1, 1};
  const std::string planes = writer.Constant("planes", {4}, std::span(shape));
  const std::string scales = writer.Node("Reshape", "scales", {scale, planes}),
                    offsets = writer.Node("Reshape", "offsets", {offset, planes});
  const std::string normalized =
      writer.Node("InstanceNormalization", "normalized",
                  {writer.inputs().at(0), writer.Constant("one", {channels}, std::span(ones)),
                   writer.Constant("zero", {channels}, std::span(zeros))});
  writer.Float("epsilon", epsilon);
  return writer.Node("Add", "", {writer.Node("Mul", "scaled", {normalized, scales}), offsets});
}

}  // namespace

bool WriteAdaptive(LayerWriter& writer, std::string_view) {
  if (const auto* layer = writer.As<AdaptiveNormalizationLayer>()) {
    writer.set_output(WriteScaled(writer, layer->options().epsilon, writer.inputs().at(1),
                                  writer.inputs().at(2)));
    return true;
  }
  const auto* layer = writer.As<ConditionalNormalizationLayer>();
  if (!layer) return false;
  const auto mixed = [&](std::string_view name) {
    const std::vector<int64_t> shape{writer.layouts().at(0).channels(),
                                     layer->options().num_styles};
    const std::string value =
        writer.Node("Gemm", name, {writer.inputs().at(1), writer.ParameterConstant(name, shape)});
    writer.Int("transB", 1);
    return value;
  };
  const std::string scale = mixed("scale"), offset = mixed("offset");
  writer.set_output(WriteScaled(writer, layer->options().epsilon, scale, offset));
  return true;
}

}  // namespace normkit
