#include "src/onnx/write_graph.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/nn/layers/common.h"
#include "src/onnx/forms.h"
#include "src/onnx/operator_functions.h"
#include "src/onnx/operators.h"
#include "src/onnx/time/rows.h"
#include "src/onnx/time/steps.h"
#include "src/onnx/time/values.h"
#include "src/onnx/writer.h"

namespace normkit {
namespace {

constexpr bool (*kTimeRows[])(LayerWriter&) = {
    WriteRecurrent,   WriteTimeConvolution, WriteTimeWindowPooling,
    WriteTimePooling, WriteSelfAttention,   WriteEmbedding,
    WritePositions,   WriteStepProduct,     WriteTimeNormalization,
};

// BSSC, as networks run, is [N,C,H,W] in the file, BSSSC [N,C,D,H,W]; BC is [N,C], TC [N,T,C].
void DescribeValue(const std::string& name, const Layout& layout, ImageSizes sizes,
                   onnx::ValueInfoProto* info) {
  info->set_name(name);
  onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim()->set_dim_param("N");
  if (layout.packed()) tensor->mutable_shape()->add_dim()->set_dim_param("T");
  tensor->mutable_shape()->add_dim()->set_dim_value(layout.channels());
  const char* any = layout.format() == "BSSSC" ? "D" : "H";
  for (const Axis& axis : layout.axes()) {
    if (axis.label != kS) continue;
    onnx::TensorShapeProto::Dimension* dim = tensor->mutable_shape()->add_dim();
    if (sizes == ImageSizes::kFixed)
      dim->set_dim_value(axis.size);
    else
      dim->set_dim_param(std::exchange(any, *any == 'D' ? "H" : "W"));
  }
}

void CheckWritable(const Layer& layer, const Layout& output) {
  if (!IsName(layer.name()))
    Fail(
        "{} '{}': the name cannot stand in a model file, expected UTF-8 without control characters",
        layer.type(), layer.name());
  const std::string format = output.format();
  if (format != "BSSC" && format != "BSSSC" && format != "BC" && format != "TC" &&
      !HasPictures(output))
    Fail(
        "{} '{}': output is {}, expected BSSC, BSSSC, BC, TC, TSC, TSSC or TSSSC: model files hold "
        "no other",
        layer.type(), layer.name(), output.ToString());
}

void WriteLayer(LayerWriter& writer, const std::vector<std::string>& input_layers) {
  if (writer.over_time() && std::ranges::any_of(kTimeRows, [&](auto row) { return row(writer); }))
    return;
  for (const Operator& row : Operators())
    if (row.write && row.write(writer, row.type)) return;
  if (WriteForm(writer, input_layers)) return;
  Fail("{} '{}': has no form in ONNX", writer.layer().type(), writer.layer().name());
}

// A layer that sees pictures of steps: written as one of pictures. Returns its output.
std::string WriteOfPictures(LayerWriter& of_steps, const Network& network,
                            const LayerRecord& record,
                            const std::vector<std::string>& input_layers) {
  if (WritePictureNormalization(of_steps)) return of_steps.output();
  std::vector<Layout> layouts;
  for (const Layout& layout : of_steps.layouts()) layouts.push_back(AsPictures(layout));
  LayerWriter writer(&of_steps.graph(), network, record, of_steps.inputs(), std::move(layouts),
                     &of_steps.time());
  if (record.layer->is_input())
    WriteInput(writer);
  else
    WriteLayer(writer, input_layers);
  const Layout& output = network.graph.layout(record.output());
  return output.format() == "TC"
             ? WriteAsSteps(of_steps.graph(), of_steps.time(), writer.output(), output)
             : writer.output();
}

// The layer that a layer's parameters were made for: itself, unless they are tied.
int OwnerOf(const Graph& graph, const LayerRecord& record) {
  return graph.value(record.parameters.empty() ? record.output() : record.parameters[0]).layer;
}

// The names of the values that a layer reads.
std::vector<std::string> NamesOf(const Graph& graph, const LayerRecord& record,
                                 const std::map<Value, std::string>& names) {
  std::vector<std::string> inputs;
  for (const Value input : record.inputs) {
    const auto name = names.find(input);
    if (name == names.end())
      Fail("{} '{}': reads another value of '{}' than its first, expected that one in a model file",
           record.layer->type(), record.layer->name(),
           graph.layer(graph.value(input).layer).layer->name());
    inputs.push_back(name->second);
  }
  return inputs;
}

// The names of the layers whose values those are, inputs of the graph left out.
std::vector<std::string> LayersOf(const Graph& graph, const LayerRecord& record) {
  std::vector<std::string> layers;
  for (const Value input : record.inputs)
    if (const int read = graph.value(input).layer; read >= 0)
      layers.push_back(graph.layer(read).layer->name());
  return layers;
}

void DescribeLengths(const std::string& name, onnx::ValueInfoProto* info) {
  info->set_name(name);
  onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::INT64);
  tensor->mutable_shape()->add_dim()->set_dim_param("N");
}

void WarnOfCopies(const Graph& graph, int index) {
  const LayerRecord& record = graph.layer(index);
  if (const int owner = OwnerOf(graph, record); owner != index)
    Warn("model file: {} has the parameters of '{}'; the file holds a copy for each",
         Title(*record.layer), graph.layer(owner).layer->name());
}

int OpsetOfNodes(const onnx::GraphProto& graph);

// Where a node says by an attribute what its operator says only later.
int OpsetOfAttribute(const onnx::NodeProto& node, const onnx::AttributeProto& attribute) {
  if (attribute.has_g()) return OpsetOfNodes(attribute.g());
  return node.op_type() == "Resize" && attribute.name() == "axes" ? 18 : 0;
}

int OpsetOfNodes(const onnx::GraphProto& graph) {
  int opset = kOldestOpset;
  for (const onnx::NodeProto& node : graph.node()) {
    if (const Operator* row = FindOperator(node.op_type())) opset = std::max(opset, row->opset);
    for (const onnx::AttributeProto& attribute : node.attribute())
      opset = std::max(opset, OpsetOfAttribute(node, attribute));
  }
  return opset;
}

// What a network gives of each step, with zeros in padding.
std::string WritePadded(GraphWriter& writer, TimeValues& time, const std::string& y,
                        const Layout& layout) {
  if (!HasPictures(layout))
    return writer.AddNode("Where", y + "/padded", {time.mask(), y, time.zero()});
  std::vector<int64_t> picture{layout.channels()}, axes;
  for (const Axis& axis : layout.axes())
    if (axis.label == kS) picture.push_back(axis.size);
  for (size_t i = 1; i < picture.size(); ++i) axes.push_back(static_cast<int64_t>(i) + 2);
  const std::string steps = writer.AddNode("Reshape", y + "/steps", {y, time.steps_of(picture)}),
                    mask =
                        writer.AddNode("Unsqueeze", y + "/mask", {time.mask(), time.Whole(axes)});
  return writer.AddNode("Where", y + "/padded", {mask, steps, time.zero()});
}

}  // namespace

int OpsetFor(const onnx::GraphProto& graph, const GraphWriter& writer) {
  return std::max(OpsetOfNodes(graph), writer.opset());
}

WrittenGraph WriteGraph(const Network& network, ImageSizes sizes, onnx::GraphProto* graph,
                        Metadata* metadata, double most_bytes, bool streams) {
  GraphWriter writer(graph, most_bytes);
  const Graph& from = network.graph;
  std::optional<TimeValues> time;
  std::map<Value, std::string> names;
  for (int index = 0; index < from.num_layers(); ++index) {
    const LayerRecord& record = from.layer(index);
    const Layout& output = from.layout(record.output());
    CheckWritable(*record.layer, output);
    std::vector<std::string> inputs = NamesOf(from, record, names);
    std::vector<Layout> layouts = LayoutsOf(from, record.inputs);
    if (record.layer->is_input()) {  // the graph's own
      inputs.push_back(writer.UniqueName(record.layer->name()));
      layouts.push_back(output);
      DescribeValue(inputs[0], output, sizes, graph->add_input());
      if (output.packed()) {
        writer.MakeNodeNamesUnique();
        time.emplace(&writer, inputs[0], writer.UniqueName("lengths"), streams);
        DescribeLengths(time->lengths(), graph->add_input());
      }
    }
    const bool pictures = HasPictures(layouts.empty() ? output : layouts[0]);
    if (pictures && record.layer->is_input())
      inputs[0] = WriteAsPictures(writer, *time, inputs[0], output);
    WarnOfCopies(from, index);
    LayerWriter layer(&writer, network, record, std::move(inputs), std::move(layouts),
                      time ? &*time : nullptr);
    if (pictures)
      names[record.output()] = WriteOfPictures(layer, network, record, LayersOf(from, record));
    else if (record.layer->is_input())
      WriteInput(layer), names[record.output()] = layer.output();
    else
      WriteLayer(layer, LayersOf(from, record)), names[record.output()] = layer.output();
    if (!layer.properties().empty()) metadata->layers[record.layer->name()] = layer.properties();
  }
  std::string output = names.at(from.output());
  const Layout& layout = from.layout(from.output());
  if (layout.packed()) output = WritePadded(writer, *time, output, layout);
  DescribeValue(output, layout, sizes, graph->add_output());
  if (time) time->AddStateOutputs();
  return {std::move(writer.parameters()), OpsetFor(*graph, writer)};
}

}  // namespace normkit
