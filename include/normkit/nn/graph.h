// A network's topology: a flat list of nodes, in topological order by construction.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/nn/layer.h"

namespace normkit {

// Names the output of a node: its index.
using Value = int;

struct Node {
  std::shared_ptr<const Layer> layer;
  std::vector<Value> inputs;
};

// Adding accepts only existing values, so that insertion order is topological order (and ONNX's).
// Node 0 is the input layer; the last node is the output.
class NORMKIT_API Graph {
 public:
  // Adds a layer that reads `inputs`. An unnamed layer is named after its type ("conv_1").
  // Throws Error on an unknown value, a name that stands already, or inputs the layer refuses.
  Value Add(std::shared_ptr<Layer> layer, std::vector<Value> inputs);
  // The same, reading the last value added: a chain.
  Value Add(std::shared_ptr<Layer> layer);

  int size() const { return static_cast<int>(nodes_.size()); }
  const Node& node(Value value) const { return nodes_[static_cast<size_t>(value)]; }
  const std::vector<Node>& nodes() const { return nodes_; }
  Value output() const { return size() - 1; }
  // The layer that was added under this name; -1 where there is none.
  Value Find(std::string_view layer_name) const;

  // The layout of every value for a batch of this size.
  std::vector<Layout> Layouts(int64_t batch_size) const;
  Layout input_layout() const;  // of one observation (batch size 1)

 private:
  std::string FreeName(std::string_view short_name);

  std::vector<Node> nodes_;
  std::vector<Layout> layouts_;                            // of every value for batch size 1
  std::map<std::string, Value, std::less<>> values_;       // by the layer's name
  std::map<std::string, int, std::less<>> taken_numbers_;  // by short name: 1 to this one
};

}  // namespace normkit
