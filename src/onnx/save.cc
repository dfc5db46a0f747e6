// Networks to ONNX models.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "normkit/onnx/onnx.h"
#include "normkit/version.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/graph/memory.h"
#include "src/nn/finite_parameters.h"
#include "src/onnx/metadata.h"
#include "src/onnx/model.h"
#include "src/onnx/model_proto.h"
#include "src/onnx/operator_functions.h"
#include "src/onnx/operators.h"
#include "src/onnx/time_model.h"

namespace normkit {
namespace {

// The oldest version of the file format that an operator set goes with, as the releases of ONNX
// paired them (docs/Versioning.md of ONNX).
int IrVersionFor(int opset) {
  if (opset <= 14) return 7;
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  return opset <= 22 ? 10 : 11;
}

// BSSC, as networks run, is [N,C,H,W] in the file; BC is [N,C].
void DescribeValue(const std::string& name, const Layout& layout, ImageSizes sizes,
                   onnx::ValueInfoProto* info) {
  info->set_name(name);
  onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim()->set_dim_param("N");
  tensor->mutable_shape()->add_dim()->set_dim_value(layout.channels());
  const char* any = "H";
  for (const Axis& axis : layout.axes()) {
    if (axis.label != kS) continue;
    onnx::TensorShapeProto::Dimension* dim = tensor->mutable_shape()->add_dim();
    if (sizes == ImageSizes::kFixed)
      dim->set_dim_value(axis.size);
    else
      dim->set_dim_param(std::exchange(any, "W"));
  }
}

void CheckWritable(const Layer& layer, const Layout& output) {
  if (!IsName(layer.name()))
    Fail(
        "{} '{}': the name cannot stand in a model file, expected UTF-8 without control characters",
        layer.type(), layer.name());
  if (output.format() != "BSSC" && output.format() != "BC")
    Fail("{} '{}': output is {}, expected BSSC or BC: model files hold no other", layer.type(),
         layer.name(), output.ToString());
}

void WriteLayer(LayerWriter& writer) {
  for (const Operator& row : Operators())
    if (row.write && row.write(writer, row.type)) return;
  Fail("{} '{}': has no form in ONNX", writer.layer().type(), writer.layer().name());
}

// The layer that a layer's parameters were made for: itself, unless they are tied.
int OwnerOf(const Graph& graph, const LayerRecord& record) {
  return graph.value(record.parameters.empty() ? record.output() : record.parameters[0]).layer;
}

// Writes all nodes and constants; properties of layers go to `metadata`.
void WriteGraph(const Network& network, ImageSizes sizes, onnx::GraphProto* graph,
                Metadata* metadata) {
  GraphWriter writer(graph);
  const Graph& from = network.graph;
  std::map<Value, std::string> names;
  for (int index = 0; index < from.num_layers(); ++index) {
    const LayerRecord& record = from.layer(index);
    CheckWritable(*record.layer, from.layout(record.output()));
    std::vector<std::string> inputs;
    std::vector<Layout> layouts;
    for (const Value input : record.inputs) {
      inputs.push_back(names.at(input));
      layouts.push_back(from.layout(input));
    }
    if (record.layer->is_input()) {  // the graph's own
      inputs.push_back(writer.UniqueName(record.layer->name()));
      layouts.push_back(from.layout(record.output()));
      DescribeValue(inputs[0], layouts[0], sizes, graph->add_input());
    }
    if (const int owner = OwnerOf(from, record); owner != index)
      Warn("model file: {} has the parameters of '{}'; the file holds a copy for each",
           Title(*record.layer), from.layer(owner).layer->name());
    LayerWriter layer(&writer, network, record, std::move(inputs), std::move(layouts));
    if (record.layer->is_input())
      WriteInput(layer);
    else
      WriteLayer(layer);
    names[record.output()] = layer.output();
    if (!layer.properties().empty()) metadata->layers[record.layer->name()] = layer.properties();
  }
  DescribeValue(names.at(from.output()), from.layout(from.output()), sizes, graph->add_output());
}

}  // namespace

void CheckModelBytes(double bytes) {
  if (bytes > std::numeric_limits<int>::max())
    Fail(
        "model file: the network takes {:.0f} bytes, expected at most 2 GiB (the limit of "
        "protobuf)",
        bytes);
}

std::string OnnxBytes(const Network& network, ImageSizes sizes) {
  if (network.graph.empty()) Fail("model file: the network has no layers, expected some");
  if (const std::string bad = FindBadParameter(network.graph, network.parameters); !bad.empty())
    Fail("model file: {}", bad);
  if (sizes == ImageSizes::kFixed && network.graph.inputs().size() > 1)
    Fail("model file: the network has {} inputs, expected 1 (SaveOnnxOfAnySize writes others)",
         network.graph.inputs().size());
  CheckModelBytes(ParameterBytes(network.graph));  // before they are copied
  onnx::ModelProto model;
  Metadata metadata{.classes = network.classes, .facts = network.facts};
  model.mutable_graph()->set_name("normkit");
  const bool over_time = IsOverTime(network.graph);
  if (over_time)
    WriteTimeGraph(network, &model);
  else
    WriteGraph(network, sizes, model.mutable_graph(), &metadata);
  if (model.graph().node_size() > kMostNodes)
    Fail(
        "model file: the network takes {} nodes, expected at most {}: files with more are not read",
        model.graph().node_size(), kMostNodes);
  if (!over_time) metadata.input_normalization = InputNormalizationOf(network.graph);
  int opset = kOldestOpset;
  for (const onnx::NodeProto& node : model.graph().node())
    if (node.domain().empty()) opset = std::max(opset, FindOperator(node.op_type())->opset);
  model.set_ir_version(IrVersionFor(opset));
  model.add_opset_import()->set_version(opset);
  model.set_producer_name("normkit");
  model.set_producer_version(NORMKIT_VERSION);
  if (sizes == ImageSizes::kFixed)
    WriteMetadata(metadata, &model);
  else
    WriteFacts(network.facts, &model);

  CheckModelBytes(static_cast<double>(model.ByteSizeLong()));
  return model.SerializeAsString();
}

void SaveOnnx(const Network& network, const std::string& path) {
  if (IsOverTime(network.graph))
    Warn(
        "{}: layers over time stand in it as operators of normkit, which other programs do not "
        "have",
        path);
  WriteFile(path, OnnxBytes(network));
}

void SaveOnnxOfAnySize(const Network& network, const std::string& path) {
  WriteFile(path, OnnxBytes(network, ImageSizes::kAny));
}

}  // namespace normkit
