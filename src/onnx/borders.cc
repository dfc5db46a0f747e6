// Images made larger without new values: mirrored borders, repeated elements.
#include "src/nn/layers/borders.h"

#include <algorithm>
#include <cmath>

#include "src/onnx/operator_functions.h"

namespace normkit {
namespace {

constexpr int64_t kAxes = 4;  // N, C, H, W

}  // namespace

bool WritePad(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<ReflectionPadding2dLayer>();
  if (!layer) return false;
  const Padding& p = layer->options().padding;
  const int64_t pads[2 * kAxes] = {0, 0, p.top, p.left, 0, 0, p.bottom, p.right};
  writer.set_output(writer.Node(
      type, "", {writer.inputs().at(0), writer.Constant("pads", {2 * kAxes}, std::span(pads))}));
  writer.Text("mode", "reflect");
  return true;
}

void ReadPad(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.ExpectInputs(2, 2);
  if (const std::string mode = node.Text("mode", "constant"); mode != "reflect")
    node.Refuse("attribute 'mode' is '{}', expected reflect", mode);
  node.Done();
  const std::vector<int64_t> pads = reader.Ints(node, 1, {2 * kAxes});
  if (pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0)
    node.Refuse("'{}' is [{}], expected 0 for observations and channels", node.input(1),
                fmt::join(pads, ","));
  const ReflectionPadding2dOptions options{.name = node.name(),
                                           .padding = {false, pads[2], pads[6], pads[3], pads[7]}};
  reader.Add(node, node.Checked([&] { return ReflectionPadding2d(options); }),
             {reader.Input(node, 0)}, node.output());
  reader.Consume(1);
}

bool WriteResize(LayerWriter& writer, std::string_view type) {
  const auto* layer = writer.As<Upsampling2dLayer>();
  if (!layer) return false;
  const auto& [height, width] = layer->options().scale;
  const float scales[kAxes] = {1, 1, static_cast<float>(height), static_cast<float>(width)};
  // The second input is the region of interest, of other modes.
  writer.set_output(writer.Node(
      type, "",
      {writer.inputs().at(0), "", writer.Constant("scales", {kAxes}, std::span(scales))}));
  writer.Text("mode", "nearest");
  writer.Text("coordinate_transformation_mode", "asymmetric");
  writer.Text("nearest_mode", "floor");
  return true;
}

void ReadResize(GraphReader& reader) {
  NodeReader node = reader.Node();
  node.ExpectInputs(3, 3);
  const std::pair<const char*, const char*> attributes[] = {
      {"mode", "nearest"},
      {"coordinate_transformation_mode", "asymmetric"},
      {"nearest_mode", "floor"}};
  for (const auto& [name, expected] : attributes)
    if (const std::string given = node.Text(name, ""); given != expected)
      node.Refuse("attribute '{}' is '{}', expected {}", name, given, expected);
  node.Done();
  const std::vector<float> scales = reader.Floats(node, 2, {kAxes});
  const auto whole = [](float scale) {
    return scale >= 1 && scale < 1 << 20 && scale == std::floor(scale);
  };
  if (scales[0] != 1 || scales[1] != 1 || !std::ranges::all_of(scales, whole))
    node.Refuse("'{}' is [{}], expected 1, 1 and whole numbers", node.input(2),
                fmt::join(scales, ","));
  const Upsampling2dOptions options{
      .name = node.name(),
      .scale = {static_cast<int64_t>(scales[2]), static_cast<int64_t>(scales[3])}};
  reader.Add(node, node.Checked([&] { return Upsampling2d(options); }), {reader.Input(node, 0)},
             node.output());
  reader.Consume(1);
}

}  // namespace normkit
