// Forms of layers that map elements by themselves, or by numbers of their channels.
#include "src/nn/layers/channels.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/layers/plain.h"
#include "src/onnx/layer_forms.h"

namespace normkit {
namespace {

// [C,1,1]: what broadcasts over [N,C,H,W]; [C] over [N,T,C].
std::vector<int64_t> ChannelShape(const Layout& x) {
  std::vector<int64_t> shape(static_cast<size_t>(x.rank()) - 1, 1);
  shape[0] = x.channels();
  return shape;
}

}  // namespace

bool WriteElementwiseForm(LayerWriter& writer) {
  const auto* layer = writer.As<ElementwiseLayer>();
  if (!layer) return false;
  const std::string& x = writer.inputs().at(0);
  const std::string_view kind = layer->options().row->json;
  if (kind == "swish") {
    const std::string gate = writer.Node("Sigmoid", "gate", {x});
    writer.set_output(writer.Node("Mul", "", {x, gate}));
  } else if (kind == "clipped_relu") {
    const std::string zero = writer.Number("zero", 0),
                      ceiling =
                          writer.Number("ceiling", static_cast<float>(layer->options().number));
    writer.set_output(writer.Node("Clip", "", {x, zero, ceiling}));
  } else {
    return false;
  }
  return true;
}

bool WritePreluForm(LayerWriter& writer) {
  if (!writer.As<PreluLayer>()) return false;
  const std::string alpha = writer.ParameterConstant("alpha", ChannelShape(writer.layouts().at(0)));
  writer.set_output(writer.Node("PRelu", "", {writer.inputs().at(0), alpha}));
  return true;
}

bool WriteLayerScaleForm(LayerWriter& writer) {
  if (!writer.As<LayerScaleLayer>()) return false;
  const std::string scale = writer.ParameterConstant("scale", ChannelShape(writer.layouts().at(0)));
  writer.set_output(writer.Node("Mul", "", {writer.inputs().at(0), scale}));
  return true;
}

bool WriteDynamicTanhForm(LayerWriter& writer) {
  if (!writer.As<DynamicTanhLayer>()) return false;
  const std::vector<int64_t> shape = ChannelShape(writer.layouts().at(0));
  const std::string alpha = writer.ParameterConstant("alpha", {1}),
                    scale = writer.ParameterConstant("scale", shape),
                    offset = writer.ParameterConstant("offset", shape);
  const std::string inner = writer.Node("Mul", "alpha", {writer.inputs().at(0), alpha});
  const std::string tanh = writer.Node("Tanh", "tanh", {inner});
  const std::string scaled = writer.Node("Mul", "scale", {tanh, scale});
  writer.set_output(writer.Node("Add", "", {scaled, offset}));
  return true;
}

std::string WriteReshaped(LayerWriter& writer, std::string_view part, const std::string& value,
                          const std::vector<int64_t>& shape) {
  const std::string to = writer.Whole(part, shape);
  return writer.Node("Reshape", part, {value, to});
}

std::vector<int64_t> AxesInFile(const Layout& x, int64_t channels) {
  std::vector<int64_t> shape{0, channels};
  for (const Axis& axis : x.axes())
    if (axis.label == kS) shape.push_back(axis.size);
  return shape;
}

namespace {

// Of an even size: channels as a line of windows, their mean of squares.
std::string MeanOfSquares(LayerWriter& writer, const std::string& x, int64_t size,
                          const Layout& layout) {
  const std::string squares = writer.Node("Mul", "squares", {x, x});
  const std::string lines = WriteReshaped(writer, "lines", squares, {0, 1, layout.channels(), -1});
  const std::string means = writer.Node("AveragePool", "means", {lines});
  writer.Ints("kernel_shape", {size, 1});
  writer.Ints("pads", {(size - 1) / 2, 0, size / 2, 0});
  writer.Int("count_include_pad", 1);
  return WriteReshaped(writer, "axes", means, AxesInFile(layout, layout.channels()));
}

}  // namespace

// ONNX Runtime has LRN for four axes and odd sizes alone.
bool WriteCrossChannelForm(LayerWriter& writer) {
  const auto* layer = writer.As<CrossChannelLayer>();
  if (!layer || writer.over_time()) return false;
  const CrossChannelNormalizationOptions& o = layer->options();
  const Layout& x = writer.layouts().at(0);
  std::string value = writer.inputs().at(0);
  if (o.window_channel_size % 2 == 0) {
    const std::string means = MeanOfSquares(writer, value, o.window_channel_size, x);
    const std::string scaled =
        writer.Node("Mul", "alpha", {means, writer.Number("alpha", static_cast<float>(o.alpha))});
    const std::string sum =
        writer.Node("Add", "k", {scaled, writer.Number("k", static_cast<float>(o.k))});
    const std::string power =
        writer.Node("Pow", "beta", {sum, writer.Number("beta", static_cast<float>(o.beta))});
    writer.set_output(writer.Node("Div", "", {value, power}));
    return true;
  }
  const bool other = x.rank() != 4;
  if (other) value = WriteReshaped(writer, "four_axes", value, {0, x.channels(), -1, 1});
  value = writer.Node("LRN", "", {value});
  writer.Int("size", o.window_channel_size);
  writer.Float("alpha", o.alpha);
  writer.Float("beta", o.beta);
  writer.Float("bias", o.k);
  writer.set_output(other ? WriteReshaped(writer, "axes", value, AxesInFile(x, x.channels()))
                          : value);
  return true;
}

// Group RMS normalization: groups as lines, of any size of images.
bool WriteNormalizationForm(LayerWriter& writer) {
  const auto* layer = writer.As<NormalizationLayer>();
  if (!layer || !RowOf(layer->kind()).onnx.empty() || writer.over_time()) return false;
  const Layout& x = writer.layouts().at(0);
  const std::string axes = writer.Node("Shape", "axes", {writer.inputs().at(0)});
  const std::string lines =
      WriteReshaped(writer, "groups", writer.inputs().at(0), {0, layer->GroupsFor(x), -1});
  const std::string squares = writer.Node("Mul", "squares", {lines, lines});
  const std::string mean = writer.Node("GlobalAveragePool", "mean", {squares});
  const std::string epsilon =
      writer.Number("epsilon", static_cast<float>(layer->options().epsilon));
  const std::string root =
      writer.Node("Sqrt", "root", {writer.Node("Add", "mean_epsilon", {mean, epsilon})});
  const std::string quotient = writer.Node("Div", "quotient", {lines, root});
  const bool affine = layer->options().affine;
  std::string y = writer.Node("Reshape", affine ? "normalized" : "", {quotient, axes});
  if (affine) y = writer.Node("Mul", "", {y, writer.ParameterConstant("scale", ChannelShape(x))});
  writer.set_output(y);
  return true;
}

bool WriteMultiplicationForm(LayerWriter& writer) {
  if (!writer.As<MultiplicationLayer>()) return false;
  std::string product = writer.inputs().at(0);
  for (size_t i = 1; i < writer.inputs().size(); ++i)
    product = writer.Node("Mul", i + 1 == writer.inputs().size() ? "" : fmt::format("{}", i),
                          {product, writer.inputs()[i]});
  writer.set_output(product);
  return true;
}

}  // namespace normkit
