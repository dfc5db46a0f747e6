// Parts of a graph that make boxes of some of its values: how a picture is computed by tiles.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "normkit/graph/graph.h"
#include "normkit/graph/parameters.h"
#include "src/ops/normalization.h"

namespace normkit {

// Of a value in arrays that have one for each.
inline size_t SlotOf(Value value) { return static_cast<size_t>(value); }

// A graph for one picture, and what is known of it before any box is computed.
struct PictureGraph {
  const Graph* graph = nullptr;
  Graph::Types types;  // of the whole picture
  Value picture = 0, output = 0;
  std::vector<char> depends;                         // of each value: on the picture
  std::vector<std::shared_ptr<const Tensor>> known;  // of each value that does not: its elements
  // Of each node that normalizes with statistics of all pixels: those, once they are known.
  std::vector<char> has_statistics;
  std::vector<std::shared_ptr<const ops::FinishedStatistics>> finished;

  const Layout& layout(Value value) const { return types.types[SlotOf(value)].shape; }
  bool depends_on_picture(Value value) const { return depends[SlotOf(value)] != 0; }
  std::vector<OpInput> InputsOf(const Node& node) const;  // known ones with their elements
};

// `given`: what the graph's other inputs hold. Computes all that does not depend on the picture.
PictureGraph MakePictureGraph(const Graph& graph, const Parameters& parameters, Value picture,
                              const Layout& shape, Value output,
                              const std::map<Value, std::shared_ptr<const Tensor>>& given);

struct ValueBox {
  Value value;
  Box box;
};

// What is computed of which value, and how.
struct PieceDemand {
  std::vector<std::optional<Box>> boxes;      // of each value
  std::vector<std::optional<OpPiece>> nodes;  // of each node
  std::vector<ValueBox> inputs;               // what is read of values that are there
  std::vector<ValueBox> targets;
  std::vector<int64_t> key;  // equal where one graph serves both, with the same `available`
};

// From values that are `available`, the picture among them. Where a node cannot be computed by
// boxes, `why_not` says which ("": all can), or, where it is null, that is an Error.
PieceDemand DemandOf(const PictureGraph& picture, std::span<const char> available,
                     std::vector<ValueBox> targets, std::string* why_not = nullptr);

// The demand as a graph: its inputs are the demand's, in their order.
struct PieceGraph {
  Graph graph;
  std::vector<Value> targets;  // in `graph`
};
PieceGraph MakePieceGraph(const PictureGraph& picture, const PieceDemand& demand);

}  // namespace normkit
