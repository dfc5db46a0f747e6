#include "src/onnx/time_model.h"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "normkit/nn/networks.h"
#include "src/core/fail.h"
#include "src/nn/layer_json.h"
#include "src/nn/layers/attention.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/layers/recurrent.h"
#include "src/nn/layers/time_windows.h"
#include "src/nn/own_layers.h"
#include "src/onnx/metadata.h"
#include "src/onnx/model_proto.h"
#include "src/onnx/tensors.h"
#include "src/onnx/time/scan.h"
#include "src/onnx/write_graph.h"

namespace normkit {
namespace {

using nlohmann::json;

// The values of the file's tensors by name.
using Tensors = std::map<std::string, const onnx::TensorProto*>;

Tensors TensorsOf(const onnx::GraphProto& graph, const std::string& file) {
  Tensors tensors;
  for (const onnx::TensorProto& tensor : graph.initializer())
    if (!tensors.emplace(tensor.name(), &tensor).second)
      Fail("{}: tensor '{}' stands twice, expected unique names", file, tensor.name());
  return tensors;
}

// Before there is memory for them: the file holds every parameter.
void CheckSize(const Graph& graph, const onnx::GraphProto& proto, const std::string& file) {
  double bytes = 0;
  for (const onnx::TensorProto& tensor : proto.initializer())
    bytes += static_cast<double>(tensor.raw_data().size()) + 4.0 * tensor.float_data_size();
  double expected = 0;
  for (const GraphParameter& parameter : graph.parameters()) {
    double count = sizeof(float);  // a product of wrong sizes may not fit in 64 bits
    for (const int64_t size : parameter.spec.shape) count *= static_cast<double>(size);
    expected += count;
  }
  if (expected > bytes)
    Fail("{}: its tensors have {:.0f} bytes, expected the {:.0f} of the network's parameters", file,
         bytes, expected);
}

void CopyParameters(const std::vector<ParameterTensor>& from, const Tensors& tensors,
                    const std::string& file, std::span<float> to) {
  for (const ParameterTensor& parameter : from) {
    const auto tensor = tensors.find(parameter.name);
    if (tensor == tensors.end()) Fail("{}: has no tensor '{}', expected one", file, parameter.name);
    const std::string where = fmt::format("{}: tensor '{}'", file, parameter.name);
    if (const auto shape = ShapeOf(*tensor->second, where); shape != parameter.shape)
      Fail("{} has shape [{}], expected [{}]", where, fmt::join(shape, ","),
           fmt::join(parameter.shape, ","));
    const std::vector<float> values = FloatValues(*tensor->second, where);
    for (size_t i = 0; i < values.size(); ++i)
      if (const int64_t at = parameter.at(static_cast<int64_t>(i)); at >= 0)
        to[static_cast<size_t>(at)] = values[i];
  }
}

[[noreturn]] void RefuseChanged(const std::string& what, const std::string& file) {
  Fail(
      "{}: {} is not what the network of metadata 'normkit.network' is written as: the file was "
      "changed, or another version of normkit wrote it",
      file, what);
}

template <class Items>
void ExpectSameItems(const Items& given, const Items& expected, const std::string& kind,
                     const std::string& file) {
  for (int i = 0; i < std::max(given.size(), expected.size()); ++i) {
    if (i >= given.size()) RefuseChanged(fmt::format("its number of {}s, {},", kind, i), file);
    if (i >= expected.size() ||
        given.Get(i).SerializeAsString() != expected.Get(i).SerializeAsString())
      RefuseChanged(fmt::format("{} '{}'", kind, given.Get(i).name()), file);
  }
}

// Node by node: what others make of the file is what the network computes.
void ExpectSameGraph(const onnx::ModelProto& model, const onnx::GraphProto& expected, int opset,
                     const std::string& file) {
  const onnx::GraphProto& given = model.graph();
  ExpectSameItems(given.input(), expected.input(), "input", file);
  ExpectSameItems(given.output(), expected.output(), "output", file);
  ExpectSameItems(given.node(), expected.node(), "node", file);
  ExpectSameItems(given.initializer(), expected.initializer(), "tensor", file);
  if (opset != OpsetOf(model)) RefuseChanged(fmt::format("opset {}", OpsetOf(model)), file);
}

// A layer that reads parameters of another one, which networks in JSON cannot say.
void CheckUntied(const Graph& graph, int index) {
  const LayerRecord& record = graph.layer(index);
  for (const Value parameter : record.parameters)
    if (const int owner = graph.value(parameter).layer; owner != index)
      Fail("{} '{}': has the parameters of '{}', expected its own in a model file of sequences",
           record.layer->type(), record.layer->name(), graph.layer(owner).layer->name());
}

// Which of the file's tensors hold which parameters. Other constants follow from few words, so that
// they are made only as far as the file is large enough to hold them.
std::vector<ParameterTensor> ConstantsOf(const Network& network, const onnx::ModelProto& model,
                                         bool streams, const std::string& file) {
  onnx::GraphProto graph;
  Metadata unused;
  try {
    if (streams) CheckStreams(network.graph);
    return WriteGraph(network, ImageSizes::kFixed, &graph, &unused,
                      static_cast<double>(model.ByteSizeLong()), streams)
        .parameters;
  } catch (const Error& error) {
    Fail("{}: {}", file, error.what());
  }
}

}  // namespace

bool IsOverTime(const Graph& graph) {
  return graph.num_layers() > 0 && graph.layer(0).layer->is_input() &&
         graph.layout(graph.layer(0).output()).packed();
}

json TimeNetworkJson(const Graph& graph, bool streams) {
  json layers = json::array();
  for (int i = 0; i < graph.num_layers(); ++i) {
    const LayerRecord& record = graph.layer(i);
    if (record.layer->is_input() != (i == 0))
      Fail("{} '{}': is {} layer, expected one input, the first", record.layer->type(),
           record.layer->name(), i == 0 ? "no input" : "another input");
    CheckUntied(graph, i);
    json layer = LayerToJson(*record.layer);
    layer["name"] = record.layer->name();
    for (const Value input : record.inputs)
      layer["inputs"].push_back(graph.layer(graph.value(input).layer).layer->name());
    layers.push_back(std::move(layer));
  }
  json network{{"layers", std::move(layers)}};
  if (streams) network["streams"] = true;
  return network;
}

namespace {

template <class Options>
const char* WhyNoStream(const Options& options) {
  if (options.direction != SequenceDirection::kForward) return "reads the steps backwards";
  return HasInitialStates(options) ? "begins with states of its own" : nullptr;
}

// What keeps a layer from seeing one step at a time; null: nothing.
const char* WhyNoStream(const Graph& graph, const LayerRecord& record) {
  constexpr const char* kOthers = "looks at other steps";
  const Layer* layer = record.layer.get();
  // A program's own is known to see each step by itself only where it reads no steps.
  if (FindOwnLayer(layer->type()) &&
      std::ranges::any_of(record.inputs, [&](Value input) { return graph.layout(input).packed(); }))
    return "is a program's own, and may look at other steps";
  if (const auto* lstm = dynamic_cast<const LstmLayer*>(layer)) return WhyNoStream(lstm->options());
  if (const auto* gru = dynamic_cast<const GruLayer*>(layer)) return WhyNoStream(gru->options());
  if (const auto* norm = dynamic_cast<const NormalizationLayer*>(layer)) {
    const bool over_time = norm->SpecFor(graph.layout(record.inputs[0])).reduce & kT;
    return over_time && norm->kind() != NormKind::kBatch ? kOthers : nullptr;
  }
  if (const auto* convolution = dynamic_cast<const Convolution1dLayer*>(layer))
    return convolution->options().filter_size > 1 ? kOthers : nullptr;
  if (const auto* pooling = dynamic_cast<const Pooling1dLayer*>(layer))
    return pooling->options().pool_size > 1 ? kOthers : nullptr;
  const std::string_view kind = layer->short_name();
  if (dynamic_cast<const SelfAttentionLayer*>(layer) || kind == "gap1d" || kind == "gmp1d")
    return kOthers;
  if (dynamic_cast<const PositionEmbeddingLayer*>(layer) ||
      dynamic_cast<const SinusoidalLayer*>(layer))
    return "counts the steps";
  return nullptr;
}

}  // namespace

void CheckStreams(const Graph& graph) {
  if (!IsOverTime(graph))
    Fail(
        "model file: the network reads no sequences, expected one that does: others have no step "
        "to stream");
  for (const LayerRecord& record : graph.layers())
    if (const char* why = WhyNoStream(graph, record))
      Fail(
          "{}: {}, expected in a network that streams LSTM and GRU forward from zeros, and layers "
          "that see each step by itself",
          Title(*record.layer), why);
}

int WriteTimeGraph(const Network& network, bool streams, onnx::GraphProto* graph) {
  Metadata unused;  // the network says more
  return WriteGraph(network, ImageSizes::kFixed, graph, &unused,
                    std::numeric_limits<double>::infinity(), streams)
      .opset;
}

Network ReadTimeGraph(const onnx::ModelProto& model, const json& described,
                      const std::string& file) {
  Network network;
  json layers = described;
  const bool streams = layers.contains("streams");
  if (streams && layers["streams"] != true)
    Fail("{}: metadata 'normkit.network': streams is {}, expected true", file,
         layers["streams"].dump());
  layers.erase("streams");
  network.graph = ParseNetworkJson(layers.dump(), file);
  if (!IsOverTime(network.graph))
    Fail("{}: its first layer is no sequence input, expected one", file);
  const Tensors tensors = TensorsOf(model.graph(), file);
  CheckSize(network.graph, model.graph(), file);
  network.parameters = Parameters(network.graph);
  CopyParameters(ConstantsOf(network, model, streams, file), tensors, file,
                 network.parameters.values());
  onnx::GraphProto expected;
  const int opset = WriteTimeGraph(network, streams, &expected);
  ExpectSameGraph(model, expected, opset, file);
  return network;
}

}  // namespace normkit
