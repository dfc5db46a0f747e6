// Operations in a row that run as one.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "normkit/graph/graph.h"

namespace normkit {

// The nodes that read each value, in their order.
using Readers = std::vector<std::vector<int>>;
Readers FindReaders(const Graph& graph);

// A chain of nodes, each the only reader of what the one before it gives, and the operation that
// does the same.
struct Fusion {
  std::vector<int> nodes;
  std::shared_ptr<const Op> op;
  std::vector<Value> inputs;  // those of the first node, then what the others read besides
  int place = 0;              // the node in whose place it runs: all that it reads is there
};

// The longest fusion that begins with this node; without an operation where there is none. Values
// with `kept` are not fused away.
Fusion FindFusion(const Graph& graph, const Readers& readers, std::span<const char> kept, int node);

}  // namespace normkit
