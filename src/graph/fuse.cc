#include "src/graph/fuse.h"

#include <algorithm>

#include "src/ops/normalization.h"
#include "src/ops/ops.h"

namespace normkit {
namespace {

// One row: operations by name, and what runs in their place; null where it cannot.
struct Pattern {
  std::vector<std::string_view> ops;
  std::shared_ptr<const Op> (*make)(std::span<const Node* const> nodes);
};

// Longest first.
const Pattern kPatterns[] = {
    {{"normalization", "addition", "relu"},
     [](std::span<const Node* const> nodes) {
       return nodes[1]->inputs.size() == 2
                  ? ops::WithActivation(*nodes[0]->op, Activation::kRelu, true)
                  : nullptr;
     }},
    {{"normalization", "relu"},
     [](std::span<const Node* const> nodes) {
       return ops::WithActivation(*nodes[0]->op, Activation::kRelu, false);
     }},
    {{"addition", "relu"},
     [](std::span<const Node* const>) { return ops::Addition(/*relu=*/true); }},
};

class Matcher {
 public:
  Matcher(const Graph& graph, const Readers& readers, std::span<const char> kept)
      : graph_(graph), readers_(readers), kept_(kept) {}

  Fusion Match(const Pattern& pattern, int first) const {
    Fusion fusion{{first}, nullptr, graph_.node(first).inputs, first};
    if (graph_.node(first).op->name() != pattern.ops[0]) return fusion;
    for (size_t i = 1; i < pattern.ops.size(); ++i) {
      const Value between = graph_.node(fusion.nodes.back()).outputs[0];
      const auto& readers = readers_[static_cast<size_t>(between)];
      if (readers.size() != 1 || kept_[static_cast<size_t>(between)]) return fusion;
      if (graph_.node(readers[0]).op->name() != pattern.ops[i]) return fusion;
      fusion.nodes.push_back(readers[0]);
      if (!AddOthers(readers[0], between, fusion)) return fusion;
    }
    std::vector<const Node*> nodes;
    for (const int node : fusion.nodes) nodes.push_back(&graph_.node(node));
    fusion.op = pattern.make(nodes);
    return fusion;
  }

 private:
  // What `node` reads besides the chain. Gradients have to be added up in the order in which they
  // would be otherwise: the first node alone reads its input, and nobody reads the others later,
  // whose gradients are overwritten.
  bool AddOthers(int node, Value between, Fusion& fusion) const {
    for (const Value input : graph_.node(node).inputs) {
      if (input == between) continue;
      if (readers_[static_cast<size_t>(fusion.inputs[0])].size() != 1 ||
          readers_[static_cast<size_t>(input)].back() != node)
        return false;
      fusion.inputs.push_back(input);
      fusion.place = node;
    }
    return true;
  }

  const Graph& graph_;
  const Readers& readers_;
  std::span<const char> kept_;
};

}  // namespace

Readers FindReaders(const Graph& graph) {
  Readers readers(graph.values().size());
  for (size_t node = 0; node < graph.nodes().size(); ++node)
    for (const Value input : graph.nodes()[node].inputs)
      readers[static_cast<size_t>(input)].push_back(static_cast<int>(node));
  return readers;
}

Fusion FindFusion(const Graph& graph, const Readers& readers, std::span<const char> kept,
                  int node) {
  const Matcher matcher(graph, readers, kept);
  for (const Pattern& pattern : kPatterns)
    if (Fusion fusion = matcher.Match(pattern, node); fusion.op) return fusion;
  return {{node}, nullptr, graph.node(node).inputs, node};
}

}  // namespace normkit
