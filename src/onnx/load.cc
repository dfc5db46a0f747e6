// ONNX models to networks.
#include <algorithm>
#include <set>

#include "normkit/onnx/onnx.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/nn/finite_parameters.h"
#include "src/onnx/forms.h"
#include "src/onnx/metadata.h"
#include "src/onnx/model.h"
#include "src/onnx/model_proto.h"
#include "src/onnx/operator_functions.h"
#include "src/onnx/operators.h"
#include "src/onnx/time_model.h"

namespace normkit {
namespace {

int64_t CheckedOpset(const onnx::ModelProto& model, const std::string& file) {
  const int64_t opset = OpsetOf(model);
  if (opset < kOldestOpset || opset > kNewestOpset)
    Fail("{}: has opset {}, expected {} to {}", file, opset, kOldestOpset, kNewestOpset);
  return opset;
}

[[noreturn]] void RefuseOperator(const NodeReader& node, const std::string& domain) {
  if (domain == "normkit")
    node.Refuse(
        "is of domain 'normkit', as versions before this one wrote sequences, expected standard "
        "operators: train and save the network again");
  std::vector<std::string> known;
  for (const Operator& row : Operators())
    if (row.read) known.emplace_back(row.type);
  if (!domain.empty())
    node.Refuse("operators of domain '{}' are not supported, expected one of {}", domain,
                fmt::join(known, ", "));
  node.Refuse("this operator is not supported here{}, expected one of {}",
              DidYouMean(node.op_type(), known), fmt::join(known, ", "));
}

// A node `in_form` is one of what its layer is written as (forms.h), which may be a layer of the
// program's own, of any operators.
void CheckNode(const onnx::NodeProto& proto, const NodeReader& node, bool in_form, int64_t opset) {
  if (!IsName(proto.name()))
    node.Refuse("the name is not one, expected UTF-8 without control characters");
  if (in_form) return;
  const Operator* row = FindOperator(proto.op_type());
  if (!row || !proto.domain().empty()) RefuseOperator(node, proto.domain());
  if (row->opset > opset)
    node.Refuse("stands in a model of opset {}, expected at least {}", opset, row->opset);
}

// What the metadata says of layers that are not there, or do something else, would be lost in
// silence.
void CheckMetadata(const Metadata& metadata, const Graph& graph, const std::string& file) {
  const std::string found = InputNormalizationOf(graph);
  if (!metadata.input_normalization.empty() && metadata.input_normalization != found)
    Fail("{}: metadata 'normkit.input_normalization': is '{}', expected '{}' (what the nodes do)",
         file, metadata.input_normalization, found);
  std::set<std::string_view> names;
  for (const LayerRecord& record : graph.layers()) names.insert(record.layer->name());
  for (const auto& [name, properties] : metadata.layers.items())
    if (!names.contains(name))
      Fail("{}: metadata 'normkit.layers': the graph has no layer '{}'", file, name);
}

}  // namespace

namespace {

Network Whole(Network network, Metadata metadata, const std::string& file) {
  network.classes = std::move(metadata.classes);
  network.facts = std::move(metadata.facts);
  if (const std::string bad = FindBadParameter(network.graph, network.parameters); !bad.empty())
    Fail("{}: {}", file, bad);
  return network;
}

Network ReadOfSequences(const onnx::ModelProto& model, Metadata metadata, const std::string& file) {
  if (!metadata.layers.empty())
    Fail("{}: has metadata 'normkit.layers' beside 'normkit.network', expected one of them", file);
  Network network = ReadTimeGraph(model, metadata.network, file);
  CheckMetadata(metadata, network.graph, file);
  return Whole(std::move(network), std::move(metadata), file);
}

Network Read(std::string_view bytes, const std::string& file) {
  const onnx::ModelProto model = ParseModel(bytes, file);
  const int64_t opset = CheckedOpset(model, file);
  CheckGraph(model, file, "f32 tensors");
  Metadata metadata = ReadMetadata(model, file);
  if (!metadata.network.is_null()) return ReadOfSequences(model, std::move(metadata), file);
  GraphReader reader(file, model.graph(), metadata.layers);
  for (int i = 0; i < model.graph().node_size(); ++i) {
    const onnx::NodeProto& node = model.graph().node(i);
    CheckNode(node, reader.Node(i), !reader.FormOfNode(node.name()).empty(), opset);
  }
  ReadInput(reader);
  while (!reader.AtEnd()) {
    if (ReadForm(reader, opset)) continue;
    const NodeReader node = reader.Node();
    CheckNode(reader.proto(0), node, /*in_form=*/false, opset);
    const Operator* row = FindOperator(node.op_type());
    if (!row->read) RefuseOperator(node, "");
    row->read(reader);
  }
  Network network = reader.Finish();
  CheckMetadata(metadata, network.graph, file);
  return Whole(std::move(network), std::move(metadata), file);
}

}  // namespace

Network NetworkFromOnnx(std::string_view bytes, const std::string& file) {
  return WithShortErrors([&] { return Read(bytes, file); });
}

OnnxInfo OnnxInfoOf(std::string_view bytes, const std::string& file) {
  const onnx::ModelProto model = ParseModel(bytes, file);
  const auto& metadata = model.metadata_props();
  const bool ours = std::any_of(metadata.begin(), metadata.end(),
                                [](const auto& entry) { return entry.key() == "normkit.format"; });
  // Beside states there are the input and, of sequences, lengths.
  const bool streams = ours && model.graph().input_size() > 2;
  return {model.ir_version(), OpsetOf(model),
          fmt::format("{} {}", model.producer_name(), model.producer_version()), ours, streams};
}

Network LoadOnnx(const std::string& path) { return NetworkFromOnnx(ReadModelFile(path), path); }

}  // namespace normkit
