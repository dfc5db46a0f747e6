#include "src/graph/steps.h"

#include <algorithm>
#include <map>

#include "src/core/log.h"
#include "src/graph/fail_layer.h"
#include "src/graph/fuse.h"

namespace normkit {
namespace {

class Maker {
 public:
  Maker(const Graph& graph, const Graph::Types& types, const Preparation& how, bool fuse,
        std::span<const char> kept)
      : graph_(graph),
        types_(types),
        how_(how),
        fuse_(fuse),
        kept_(kept),
        readers_(FindReaders(graph)),
        done_(graph.nodes().size(), 0) {
    CheckRead();
    steps_.of_value.assign(graph.values().size(), kMissing);
    steps_.needs_gradient.assign(graph.values().size(), 0);
    for (const GraphParameter& parameter : graph.parameters())
      steps_.needs_gradient[static_cast<size_t>(parameter.value)] = parameter.spec.trainable;
  }

  Steps Make() {
    for (int node = 0; node < static_cast<int>(done_.size()); ++node) {
      if (done_[static_cast<size_t>(node)] || IsKnown(node)) continue;
      if (const auto waiting = waiting_.find(node); waiting != waiting_.end()) {
        Emit(waiting->second);
        continue;
      }
      Fusion fusion = Find(node);
      if (fusion.place != node)
        waiting_.emplace(fusion.place, std::move(fusion));  // for what else it reads
      else
        Emit(fusion);
    }
    return std::move(steps_);
  }

 private:
  void CheckRead() const {
    for (const LayerRecord& layer : graph_.layers())
      if (layer.output() != graph_.output() &&
          readers_[static_cast<size_t>(layer.output())].empty())
        FailLayer(*layer.layer, "no layer reads its output, expected that of the last layer only");
  }

  bool IsKnown(int node) const {
    return types_.known[static_cast<size_t>(graph_.node(node).outputs[0])] != nullptr;
  }

  Fusion Find(int node) const {
    Fusion alone{{node}, graph_.node(node).op, graph_.node(node).inputs, node};
    if (!fuse_) return alone;
    Fusion fusion = FindFusion(graph_, readers_, kept_, node);
    const bool taken = std::ranges::any_of(  // by one that waits for it
        fusion.nodes, [&](int other) { return other != node && waiting_.contains(other); });
    return fusion.op && !taken ? std::move(fusion) : std::move(alone);
  }

  void Emit(const Fusion& fusion) {
    Step step;
    step.node = fusion.nodes.front();
    step.inputs = fusion.inputs;
    step.outputs = graph_.node(step.node).outputs;
    step.outputs[0] = graph_.node(fusion.nodes.back()).outputs[0];
    std::vector<OpInput> types;
    for (const Value input : step.inputs) {
      types.push_back(types_[input]);
      step.needs_gradient |= steps_.needs_gradient[static_cast<size_t>(input)] != 0;
    }
    step.kernel = fusion.op->Prepare(types, how_);
    Log(step);
    for (const int node : fusion.nodes) done_[static_cast<size_t>(node)] = 1;
    for (const Value output : step.outputs) {
      const auto v = static_cast<size_t>(output);
      steps_.of_value[v] = static_cast<int>(steps_.list.size());
      steps_.needs_gradient[v] = step.needs_gradient && types_.types[v].dtype == DType::kF32;
    }
    steps_.list.push_back(std::move(step));
  }

  void Log(const Step& step) const {
    if (!LogsDetails() || step.kernel->way().empty()) return;
    LogDetail(fmt::format("{} of {}: {}", graph_.TitleOf(step.outputs[0]),
                          types_.types[static_cast<size_t>(step.inputs[0])].shape.ToString(),
                          step.kernel->way()));
  }

  const Graph& graph_;
  const Graph::Types& types_;
  Preparation how_;
  bool fuse_;
  std::span<const char> kept_;
  Readers readers_;
  std::vector<char> done_;         // of each node
  std::map<int, Fusion> waiting_;  // by place
  Steps steps_;
};

}  // namespace

Steps MakeSteps(const Graph& graph, const Graph::Types& types, const Preparation& how, bool fuse,
                std::span<const char> kept) {
  return Maker(graph, types, how, fuse, kept).Make();
}

}  // namespace normkit
