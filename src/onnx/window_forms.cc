// Forms of layers whose windows slide over space.
#include "src/nn/layers/borders.h"
#include "src/nn/layers/convolution.h"
#include "src/nn/layers/pooling.h"
#include "src/nn/layers/transposed_convolution.h"
#include "src/onnx/layer_forms.h"
#include "src/ops/window.h"

namespace normkit {
namespace {

Space Joined(Space begin, const Space& end) {
  begin.insert(begin.end(), end.begin(), end.end());
  return begin;
}

void WriteSlidingWindow(LayerWriter& writer, const ops::Window& window) {
  const ops::PlacedWindow placed = ops::Place(window, writer.layouts().at(0));
  writer.Ints("kernel_shape", placed.size);
  writer.Ints("strides", placed.stride);
  writer.Ints("pads", Joined(placed.before, placed.after));
}

// Filters as observations of one channel, which instance normalization makes mean 0, deviation 1.
std::string StandardizedWeights(LayerWriter& writer, const Space& shape) {
  constexpr float kOne = 1, kZero = 0;
  const std::string weights =
      writer.ParameterConstant("weights", {shape[0], 1, Product(shape) / shape[0]});
  const std::string one = writer.Constant("one", {1}, std::span(&kOne, 1)),
                    zero = writer.Constant("zero", {1}, std::span(&kZero, 1));
  const std::string standardized =
      writer.Node("InstanceNormalization", "standardized", {weights, one, zero});
  writer.Float("epsilon", kStandardizationEpsilon);
  const std::string to = writer.Constant("shape", {std::ssize(shape)}, std::span(shape));
  return writer.Node("Reshape", "weights", {standardized, to});
}

}  // namespace

bool WriteConvolutionForm(LayerWriter& writer) {
  const auto* layer = writer.As<ConvolutionLayer>();
  if (!layer) return false;
  const ConvolutionOptions& options = layer->options();
  const Space shape =
      Joined({options.num_filters, writer.layouts().at(0).channels() / options.num_groups},
             options.filter_size);
  std::vector<std::string> inputs = writer.inputs();
  inputs.push_back(options.weight_standardization ? StandardizedWeights(writer, shape)
                                                  : writer.ParameterConstant("weights", shape));
  if (options.bias) inputs.push_back(writer.ParameterConstant("bias", {options.num_filters}));
  writer.set_output(writer.Node("Conv", "", inputs));
  WriteSlidingWindow(writer, layer->window());
  writer.Ints("dilations", options.dilation);
  writer.Int("group", options.num_groups);
  return true;
}

bool WriteTransposedForm(LayerWriter& writer) {
  const auto* layer = writer.As<TransposedConvolutionLayer>();
  if (!layer) return false;
  const TransposedConvolutionOptions& options = layer->options();
  const Layout& x = writer.layouts().at(0);
  std::vector<std::string> inputs = writer.inputs();
  inputs.push_back(writer.ParameterConstant(
      "weights", Joined({x.channels(), options.num_filters}, options.filter_size)));
  if (options.bias) inputs.push_back(writer.ParameterConstant("bias", {options.num_filters}));
  writer.set_output(writer.Node("ConvTranspose", "", inputs));
  ops::PlacedWindow w = ops::PlaceAnywhere(layer->window(), x);
  Space more(w.x.size());  // behind
  for (size_t i = 0; options.cropping.same && i < w.x.size(); ++i) {
    const int64_t cut = w.size[i] - w.stride[i];  // to stride times the input
    w.before[i] = std::max<int64_t>(0, cut) / 2;
    w.after[i] = std::max<int64_t>(0, cut) - w.before[i];
    more[i] = std::max<int64_t>(0, -cut);
  }
  writer.Ints("kernel_shape", w.size);
  writer.Ints("strides", w.stride);
  writer.Ints("pads", Joined(w.before, w.after));
  writer.Ints("output_padding", more);
  return true;
}

bool WritePoolingForm(LayerWriter& writer) {
  const auto* layer = writer.As<PoolingLayer>();
  if (!layer) return false;
  const bool max = layer->pool() == ops::Pool::kMax;
  writer.set_output(writer.Node(max ? "MaxPool" : "AveragePool", "", writer.inputs()));
  WriteSlidingWindow(writer, layer->window());
  if (!max) writer.Int("count_include_pad", 1);
  return true;
}

bool WriteResizeForm(LayerWriter& writer) {
  const auto* layer = writer.As<ResizeLayer>();
  if (!layer) return false;
  const Layout& x = writer.layouts().at(0);
  const std::vector<int64_t> sizes = layer->SizesFor(x);
  const std::string region;  // of interest: of other modes
  std::vector<std::string> inputs{writer.inputs().at(0), region};
  std::vector<int64_t> axes;
  if (sizes.empty()) {
    std::vector<float> scales(static_cast<size_t>(x.rank()),
                              static_cast<float>(layer->options().scale));
    scales[0] = scales[1] = 1;
    inputs.push_back(writer.Constant("scales", {x.rank()}, std::span<const float>(scales)));
  } else {  // by axes, or the number of observations would have to be given too
    for (int64_t axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
    inputs.emplace_back();
    inputs.push_back(writer.Whole("sizes", sizes));
  }
  writer.set_output(writer.Node("Resize", "", inputs));
  writer.Text("mode", std::string(Name(layer->options().method)));
  writer.Text("coordinate_transformation_mode", "half_pixel");
  if (layer->options().method == ResizeMethod::kNearest)
    writer.Text("nearest_mode", "round_prefer_floor");
  if (!axes.empty()) writer.Ints("axes", axes);
  return true;
}

}  // namespace normkit
