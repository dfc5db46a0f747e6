// normkit inspect: what is in a model file.

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "normkit/onnx/import.h"
#include "normkit/onnx/onnx.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/summary.h"
#include "src/onnx/model.h"
#include "src/report/report.h"
#include "tools/commands.h"
#include "tools/json_text.h"
#include "tools/layer_table.h"
#include "tools/options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct InspectArgs {
  std::string model, streaming;
  bool json = false;
};

// What is not trained: statistics, and the states that an LSTM or GRU was given to begin with.
struct Untrained {
  int64_t statistics = 0, given_states = 0;
};

Untrained CountUntrained(const Parameters& parameters) {
  Untrained counts;
  for (const Parameter& p : parameters.list()) {
    if (p.trainable) continue;
    const bool state = p.name.ends_with(".hidden_state") || p.name.ends_with(".cell_state");
    (state ? counts.given_states : counts.statistics) += p.size;
  }
  return counts;
}

void PrintParameters(const Network& network) {
  const Untrained untrained = CountUntrained(network.parameters);
  fmt::print("Parameters  {} learnable, {} statistics{}\n", CountLearnables(network.parameters),
             untrained.statistics,
             untrained.given_states == 0
                 ? ""
                 : fmt::format(", {} of given states", untrained.given_states));
}

void PrintText(const InspectArgs& args, const Network& network, const OnnxInfo& info,
               size_t bytes) {
  fmt::print("Model       {}: {} bytes, ONNX opset {}, IR version {}, written by {}\n", args.model,
             bytes, info.opset, info.ir_version, info.producer);
  fmt::print("Input       {}\n", SizeText(network.graph.input_layout()));
  fmt::print("Layers      {}\n", network.graph.num_layers());
  PrintParameters(network);
  if (!network.classes.empty())
    fmt::print("Classes     {}: {}\n", network.classes.size(), fmt::join(network.classes, ", "));
  fmt::print("\n{}", ToText(LayerTable(network.graph, network.parameters)));
  if (network.facts.empty()) return;
  Table facts{{"training", ""}, {}};
  for (const auto& [name, value] : network.facts) facts.rows.push_back({name, value});
  fmt::print("\n{}", ToText(facts));
}

json LayersToJson(const Network& network) {
  const Graph& graph = network.graph;
  json layers = json::array();
  for (const LayerRecord& record : graph.layers()) {
    const Layout& output = graph.layout(record.output());
    json layer{{"name", record.layer->name()},
               {"type", record.layer->type()},
               {"description", record.layer->Description()},
               {"output", {{"format", output.format()}, {"shape", output.shape()}}},
               {"inputs", json::array()},
               {"parameters", json::array()}};
    for (const Value input : record.inputs)
      layer["inputs"].push_back(graph.layer(graph.value(input).layer).layer->name());
    for (const Value value : record.parameters) {
      const ParameterSpec& spec =
          graph.parameters()[static_cast<size_t>(graph.value(value).parameter)].spec;
      layer["parameters"].push_back(
          {{"name", spec.name}, {"shape", spec.shape}, {"trainable", spec.trainable}});
    }
    if (!record.inputs.empty()) {
      const std::string reduces = ReducesText(*record.layer, graph.layout(record.inputs[0]));
      if (!reduces.empty()) layer["reduces"] = reduces;
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

void PrintJson(const InspectArgs& args, const Network& network, const OnnxInfo& info,
               size_t bytes) {
  const Untrained untrained = CountUntrained(network.parameters);
  const json result{{"model", args.model},
                    {"bytes", bytes},
                    {"opset", info.opset},
                    {"ir_version", info.ir_version},
                    {"producer", info.producer},
                    {"input", SizeText(network.graph.input_layout())},
                    {"learnables", CountLearnables(network.parameters)},
                    {"statistics", untrained.statistics},
                    {"given_states", untrained.given_states},
                    {"classes", network.classes},
                    {"layers", LayersToJson(network)},
                    {"facts", network.facts}};
  fmt::print("{}\n", JsonText(result, 2));
}

// ---- Networks of others: operations, no layers
// ---------------------------------------------------

std::vector<std::string> Shown(const std::vector<ImportedArray>& arrays) {
  std::vector<std::string> texts;
  for (const ImportedArray& array : arrays) {
    std::vector<std::string> sizes;
    for (const int64_t size : array.shape) sizes.push_back(size < 0 ? "any" : std::to_string(size));
    texts.push_back(fmt::format("{} [{}]", array.name, fmt::join(sizes, ",")));
  }
  return texts;
}

// How many operations of each kind the network is, the most frequent first.
std::vector<std::pair<std::string, int64_t>> CountOperations(const Graph& graph) {
  std::map<std::string, int64_t> counts;
  for (const Node& node : graph.nodes())
    if (!graph.value(node.outputs[0]).known) ++counts[std::string(node.op->name())];
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::greater<>(), [](const auto& one) { return one.second; });
  return sorted;
}

void PrintImported(const InspectArgs& args, const ImportedNetwork& imported, const OnnxInfo& info,
                   size_t bytes) {
  const Network& network = imported.network;
  const auto operations = CountOperations(network.graph);
  if (args.json) {
    json counts = json::object();
    for (const auto& [name, count] : operations) counts[name] = count;
    const json result{{"model", args.model},
                      {"bytes", bytes},
                      {"opset", info.opset},
                      {"ir_version", info.ir_version},
                      {"producer", info.producer},
                      {"inputs", Shown(imported.inputs)},
                      {"outputs", Shown(imported.outputs)},
                      {"nodes", imported.num_nodes},
                      {"learnables", CountLearnables(network.parameters)},
                      {"statistics", CountUntrained(network.parameters).statistics},
                      {"recognized", imported.recognized},
                      {"operations", counts},
                      {"facts", network.facts}};
    return fmt::print("{}\n", JsonText(result, 2));
  }
  fmt::print("Model       {}: {} bytes, ONNX opset {}, IR version {}, written by {}\n", args.model,
             bytes, info.opset, info.ir_version, info.producer);
  fmt::print("Inputs      {}\n", fmt::join(Shown(imported.inputs), ", "));
  fmt::print("Outputs     {}\n", fmt::join(Shown(imported.outputs), ", "));
  fmt::print("Nodes       {}\n", imported.num_nodes);
  PrintParameters(network);
  fmt::print("Recognized  {} normalizations that the file spells out\n",
             imported.recognized.size());
  for (const std::string& text : imported.recognized) fmt::print("            {}\n", text);
  Table table{{"operation", "count"}, {}};
  for (const auto& [name, count] : operations) table.rows.push_back({name, std::to_string(count)});
  fmt::print("\n{}", ToText(table));
}

void RunInspect(const InspectArgs& args) {
  const std::string bytes = ReadFile(args.model);
  const OnnxInfo info = OnnxInfoOf(bytes, args.model);
  if (!args.streaming.empty() && SameFile(args.model, args.streaming))
    Fail("{}: would be replaced by the file that streams, expected another --streaming",
         args.model);
  if (!info.ours && !args.streaming.empty())
    Fail("--streaming: {} was written by others, expected a model file of a training", args.model);
  if (!info.ours) return PrintImported(args, ImportOnnx(args.model), info, bytes.size());
  const Network network = NetworkFromOnnx(bytes, args.model);
  if (!args.streaming.empty()) {
    SaveOnnxForStreaming(network, args.streaming);
    if (!args.json) fmt::print("Streaming   {}\n", args.streaming);
  }
  if (args.json)
    PrintJson(args, network, info, bytes.size());
  else
    PrintText(args, network, info, bytes.size());
}

}  // namespace

void AddInspect(const Command& app) {
  auto args = std::make_shared<InspectArgs>();
  const Command command = AddCommand(
      app, "inspect", "Show the layers of a model and what each one normalizes over",
      {"normkit inspect out/model.onnx", "normkit inspect out/model.onnx --streaming steps.onnx"});
  AddText(command, "model", args->model, "MODEL.onnx", "Model file").Required();
  AddText(
      command, "--streaming", args->streaming, "FILE",
      "Write the network of sequences to be run some steps at a time: states of LSTM and GRU are "
      "inputs and outputs");
  AddFlag(command, "--json", args->json, "Print JSON instead of text");
  command.Run([args] { RunInspect(*args); });
}

}  // namespace normkit::tools
