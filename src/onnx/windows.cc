// Convolution and pooling: windows that slide over images.
#include <utility>

#include "src/nn/layers/convolution.h"
#include "src/nn/layers/pooling.h"
#include "src/nn/layers/window.h"
#include "src/onnx/operator_functions.h"
#include "src/ops/window.h"

namespace normkit {
namespace {

using ops::Window;

// The padding on images of layout x as numbers, which is how nodes say it: every runtime
// understands that. That it was "same" stands in the metadata.
Padding AsNumbers(const Window& window, const Layout& x) {
  const ops::PlacedWindow placed = ops::Place(window, x);
  return FlatPadding({false, placed.before[0], placed.after[0], placed.before[1], placed.after[1]});
}

std::vector<int64_t> PadsOf(const Padding& p) { return {p.top, p.left, p.bottom, p.right}; }

void WriteWindow(LayerWriter& writer, const Window& window) {
  writer.Ints("kernel_shape", window.size);
  writer.Ints("strides", window.stride);
  writer.Ints("pads", PadsOf(AsNumbers(window, writer.layouts().at(0))));
}

Window ReadWindow(NodeReader& node, const Space& size) {
  Window window;
  window.size = node.Ints("kernel_shape", size);
  window.stride = node.Ints("strides", {1, 1});
  window.dilation = node.Ints("dilations", {1, 1});
  const std::vector<int64_t> pads = node.Ints("pads", {0, 0, 0, 0});
  const std::string automatic = node.Text("auto_pad", "NOTSET");
  if (automatic == "NOTSET")
    window.padding = FlatPadding({false, pads[0], pads[2], pads[1], pads[3]});
  else if (automatic == "SAME_UPPER")
    window.padding = Padding::Same();
  else if (automatic != "VALID")
    node.Refuse("attribute 'auto_pad' is '{}', expected NOTSET, VALID or SAME_UPPER", automatic);
  return window;
}

// Adds a layer whose padding may stand in the metadata: then it has to be the node's.
void AddWindow(GraphReader& reader, const NodeReader& node, const LayerPtr& layer,
               const Window& given, const Padding& padding, GraphReader::Values values) {
  if (const Layout& x = reader.InputLayout(node, 0); x.Has(kS)) {
    Window window = given;
    window.padding = padding;
    const auto pads_of = [&](const Window& of) {
      return node.Checked([&] { return PadsOf(AsNumbers(of, x)); });
    };
    const std::vector<int64_t> pads = pads_of(given), expected = pads_of(window);
    if (pads != expected)
      node.Refuse("attribute 'pads' is [{}], expected [{}] (padding in the metadata)",
                  fmt::join(pads, ","), fmt::join(expected, ","));
  }
  reader.Add(node, layer, {reader.Input(node, 0)}, node.output(), std::move(values));
  reader.Consume(1);
}

using Conv = Convolution2dOptions;

}  // namespace

bool WriteConv(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<ConvolutionLayer>();
  if (!layer || layer->options().filter_size.size() != 2 || layer->options().weight_standardization)
    return false;
  const Conv& options = layer->options();
  const Window window = layer->window();
  const Layout& x = writer.layouts().at(0);
  std::vector<std::string> inputs = writer.inputs();
  inputs.push_back(writer.ParameterConstant(
      "weights",
      {options.num_filters, x.channels() / options.num_groups, window.size[0], window.size[1]}));
  if (options.bias) inputs.push_back(writer.ParameterConstant("bias", {options.num_filters}));
  writer.set_output(writer.Node(type, "", inputs));
  WriteWindow(writer, window);
  writer.Ints("dilations", window.dilation);
  writer.Int("group", options.num_groups);
  Conv plain;
  plain.padding = AsNumbers(window, x);
  writer.SetProperties(options, plain);
  return true;
}

void ReadConv(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.ExpectInputs(2, 3);
  const std::vector<int64_t> weights = reader.ConstantShape(node, 1);
  if (weights.size() != 4)
    node.Refuse("weights '{}' have {} axes, expected 4 (convolution over 2 dimensions of space)",
                node.input(1), weights.size());
  const Space size{weights[2], weights[3]};
  const Window window = ReadWindow(node, size);
  if (window.size != size)
    node.Refuse("attribute 'kernel_shape' is [{},{}], expected [{},{}] (the weights)",
                window.size[0], window.size[1], size[0], size[1]);
  Conv options;
  options.name = node.name();
  options.filter_size = window.size;
  options.num_filters = weights[0];
  options.stride = window.stride;
  options.dilation = window.dilation;
  options.padding = window.padding;
  options.num_groups = node.Int("group", 1);
  options.bias = node.HasInput(2);
  node.Done();
  reader.ReadProperties(node, &options);
  GraphReader::Values values{{"weights", reader.Floats(node, 1, weights)}};
  if (options.bias) values.emplace_back("bias", reader.Floats(node, 2, {weights[0]}));
  AddWindow(reader, node, node.Checked([&] { return Convolution2d(options); }), window,
            options.padding, std::move(values));
}

namespace {

using Pooling = Pooling2dOptions;

bool WritePooling(LayerWriter& writer, std::string_view type, ops::Pool pool) {
  const auto* layer = writer.As<PoolingLayer>();
  if (!layer || layer->pool() != pool || layer->options().pool_size.size() != 2) return false;
  const Pooling& options = layer->options();
  const Window window = layer->window();
  writer.set_output(writer.Node(type, "", writer.inputs()));
  WriteWindow(writer, window);
  Pooling plain;
  plain.padding = AsNumbers(window, writer.layouts().at(0));
  writer.SetProperties(options, plain);
  return true;
}

void ReadPooling(GraphReader& reader, NodeReader& node, LayerPtr (*make)(const Pooling&)) {
  node.ExpectInputs(1, 1);
  const Window window = ReadWindow(node, {0, 0});
  node.Expect("ceil_mode", 0);
  node.Done();
  if (window.dilation != Space{1, 1})
    node.Refuse("attribute 'dilations' is [{}], expected [1,1]", fmt::join(window.dilation, ","));
  Pooling options{.name = node.name(),
                  .pool_size = {window.size[0], window.size[1]},
                  .stride = {window.stride[0], window.stride[1]},
                  .padding = window.padding};
  reader.ReadProperties(node, &options);
  AddWindow(reader, node, node.Checked([&] { return make(options); }), window, options.padding, {});
}

}  // namespace

bool WriteMaxPool(LayerWriter& writer, std::string_view type) {
  return WritePooling(writer, type, ops::Pool::kMax);
}

void ReadMaxPool(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.Expect("storage_order", 0);
  ReadPooling(reader, node, MaxPooling2d);
}

// Padding counts as zeros, as in the layer.
bool WriteAveragePool(LayerWriter& writer, std::string_view type) {
  if (!WritePooling(writer, type, ops::Pool::kAverage)) return false;
  writer.Int("count_include_pad", 1);
  return true;
}

void ReadAveragePool(GraphReader& reader) {
  NodeReader node = reader.Node();
  const bool padded = node.Ints("pads", {0, 0, 0, 0}) != std::vector<int64_t>(4) ||
                      node.Text("auto_pad", "NOTSET") == "SAME_UPPER";
  if (node.Int("count_include_pad", 0) != 1 && padded)
    node.Refuse("attribute 'count_include_pad' is 0, expected 1 (padding counts as zeros)");
  ReadPooling(reader, node, AveragePooling2d);
}

}  // namespace normkit
