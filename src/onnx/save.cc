// Networks to ONNX models.
#include <algorithm>
#include <limits>

#include "normkit/onnx/onnx.h"
#include "normkit/version.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/graph/memory.h"
#include "src/nn/finite_parameters.h"
#include "src/nn/layers/attention.h"
#include "src/onnx/metadata.h"
#include "src/onnx/model.h"
#include "src/onnx/model_proto.h"
#include "src/onnx/operator_functions.h"
#include "src/onnx/operators.h"
#include "src/onnx/time_model.h"
#include "src/onnx/write_graph.h"

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

// Forms of attention hold the numbers of positions.
void CheckAnySize(const Graph& graph) {
  for (const LayerRecord& record : graph.layers()) {
    const Layer* layer = record.layer.get();
    if (dynamic_cast<const SelfAttentionLayer*>(layer) ||
        dynamic_cast<const PositionEmbeddingLayer*>(layer))
      Fail(
          "model file: {} is written for pictures of one size, expected layers for any size "
          "(SaveOnnx writes it)",
          Title(*layer));
  }
}

}  // namespace

void CheckModelBytes(double bytes) {
  if (bytes > std::numeric_limits<int>::max())
    Fail(
        "model file: the network takes {:.0f} bytes, expected at most 2 GiB (the limit of "
        "protobuf)",
        bytes);
}

std::string OnnxBytes(const Network& network, ImageSizes sizes, bool streams) {
  if (network.graph.empty()) Fail("model file: the network has no layers, expected some");
  if (const std::string bad = FindBadParameter(network.graph, network.parameters); !bad.empty())
    Fail("model file: {}", bad);
  if (sizes == ImageSizes::kFixed && network.graph.inputs().size() > 1)
    Fail("model file: the network has {} inputs, expected 1 (SaveOnnxOfAnySize writes others)",
         network.graph.inputs().size());
  if (streams) CheckStreams(network.graph);
  CheckModelBytes(ParameterBytes(network.graph));  // before they are copied
  onnx::ModelProto model;
  Metadata metadata{.classes = network.classes, .facts = network.facts};
  model.mutable_graph()->set_name("normkit");
  int opset = 0;
  if (IsOverTime(network.graph)) {
    opset = WriteTimeGraph(network, streams, model.mutable_graph());
    metadata.network = TimeNetworkJson(network.graph, streams);
  } else {
    if (sizes == ImageSizes::kAny) CheckAnySize(network.graph);
    opset = WriteGraph(network, sizes, model.mutable_graph(), &metadata).opset;
  }
  if (model.graph().node_size() > kMostNodes)
    Fail(
        "model file: the network takes {} nodes, expected at most {}: files with more are not read",
        model.graph().node_size(), kMostNodes);
  metadata.input_normalization = InputNormalizationOf(network.graph);
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
  WriteFile(path, OnnxBytes(network));
}

void SaveOnnxOfAnySize(const Network& network, const std::string& path) {
  WriteFile(path, OnnxBytes(network, ImageSizes::kAny));
}

void SaveOnnxForStreaming(const Network& network, const std::string& path) {
  WriteFile(path, OnnxBytes(network, ImageSizes::kFixed, /*streams=*/true));
}

}  // namespace normkit
