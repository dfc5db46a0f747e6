// What the file of a network says of its pictures: by the metadata that Windows ML reads, or by the
// means that the first node takes off, which are those of ImageNet wherever there are any.
#include <algorithm>
#include <span>

#include "src/core/fail.h"
#include "src/onnx/import/importer.h"

namespace normkit {
namespace {

void ReadMetadata(const onnx::ModelProto& model, PictureHint& hint) {
  for (const auto& entry : model.metadata_props()) {
    const bool bgr = entry.value().starts_with("Bgr"), rgb = entry.value().starts_with("Rgb");
    if (entry.key() == "Image.BitmapPixelFormat" && (bgr || rgb))
      hint.channel_order = bgr ? "bgr" : "rgb";
    if (entry.key() == "Image.NominalPixelRange" && entry.value() == "NominalRange_0_255")
      hint.largest = 255;
    if (entry.key() == "Image.NominalPixelRange" && entry.value() == "Normalized_0_1")
      hint.largest = 1;
  }
  if (!hint.channel_order.empty() || hint.largest > 0) hint.why = "metadata";
}

std::vector<float> ThreeFloats(const onnx::TensorProto* tensor) {
  std::vector<float> values;
  if (!tensor || tensor->data_type() != onnx::TensorProto::FLOAT) return values;
  if (tensor->has_raw_data() && tensor->raw_data().size() == 3 * sizeof(float)) {
    values.resize(3);
    std::copy_n(tensor->raw_data().data(), 3 * sizeof(float),
                reinterpret_cast<char*>(values.data()));
  } else {
    values.assign(tensor->float_data().begin(), tensor->float_data().end());
  }
  return values;
}

const onnx::TensorProto* FindTensor(const onnx::GraphProto& graph, const std::string& name) {
  for (const onnx::TensorProto& tensor : graph.initializer())
    if (tensor.name() == name) return &tensor;
  for (const onnx::NodeProto& node : graph.node())
    if (node.op_type() == "Constant" && node.output_size() == 1 && node.output(0) == name &&
        node.attribute_size() == 1)
      return &node.attribute(0).t();
  return nullptr;
}

// The means that the node takes off its first input, for each of three channels; else none.
std::vector<float> MeansOf(const onnx::GraphProto& graph, const onnx::NodeProto& node) {
  std::vector<float> means;
  if (node.op_type() == "ImageScaler") {
    for (const auto& attribute : node.attribute())
      if (attribute.name() == "bias")
        means.assign(attribute.floats().begin(), attribute.floats().end());
  } else if ((node.op_type() == "Sub" || node.op_type() == "Add") && node.input_size() == 2) {
    means = ThreeFloats(FindTensor(graph, node.input(1)));
  }
  if (node.op_type() != "Sub")
    for (float& mean : means) mean = -mean;
  return means.size() == 3 ? means : std::vector<float>();
}

void ReadMeans(const onnx::GraphProto& graph, PictureHint& hint) {
  const std::vector<ImportedArray> inputs = FileInputs(graph);
  if (inputs.size() != 1) return;
  for (const onnx::NodeProto& node : graph.node()) {
    if (node.input_size() == 0 || node.input(0) != inputs[0].name) continue;
    const std::vector<float> means = MeansOf(graph, node);
    const auto lie = [&](float low, float high) {
      return !means.empty() &&
             std::ranges::all_of(means, [&](float x) { return x > low && x < high; });
    };
    const bool bytes = lie(90, 140), fractions = lie(0.35f, 0.55f);
    if ((!bytes && !fractions) || means[0] == means[2]) continue;
    // Pictures are redder than blue.
    if (hint.channel_order.empty()) hint.channel_order = means[0] < means[2] ? "bgr" : "rgb";
    if (hint.largest == 0) hint.largest = bytes ? 255 : 1;
    hint.why += fmt::format("{}node '{}' subtracts {:.4g}", hint.why.empty() ? "" : ", ",
                            node.name(), fmt::join(means, ", "));
    return;
  }
}

}  // namespace

PictureHint PictureHintOf(const onnx::ModelProto& model) {
  PictureHint hint;
  ReadMetadata(model, hint);
  if (hint.channel_order.empty() || hint.largest == 0) ReadMeans(model.graph(), hint);
  return hint;
}

}  // namespace normkit
