// A part of a network, from values at hand to values wanted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "normkit/core/tensor.h"
#include "normkit/nn/network.h"
#include "src/graph/plan.h"

namespace normkit {

// Values of one mini-batch that lie in memory, by what they are.
using Values = std::map<Value, Tensor>;

// Runs only the nodes that a part needs, one by one and never fused, and frees a value as soon as
// the part has no more use for it: its memory is what is alive at once, not the sum of all nodes.
class PartialNetwork {
 public:
  using Offsets = std::span<const int64_t>;

  // training: batch statistics, else the trained ones; no dropout either way.
  PartialNetwork(const Graph& graph, bool training);

  // Memory for so many floats, as that of the observations which Run is given as the graph's input.
  Tensor Take(int64_t size);

  // Makes the values `wanted`, which have to follow from `values`; leaves them there, and of the
  // others those that this did not read. Calls visit(value, array) for each of `seen` when it
  // stands: it need not last until the end.
  // `offsets` of the observations among the rows, [observations + 1].
  using Visit = std::function<void(Value, const Tensor&)>;
  void Run(Offsets offsets, const Parameters& parameters, const std::set<Value>& wanted,
           const std::set<Value>& seen, const Visit& visit, Values& values);

  const Layout& LayoutOf(Value value) const { return graph_->layout(value); }
  int64_t SizeOf(Value value, Offsets offsets) const;          // in floats
  void KeepOnly(const std::set<Value>& kept, Values& values);  // takes back the memory of others

 private:
  using Sizes = std::pair<int64_t, int64_t>;  // observations, rows
  struct Made {
    std::unique_ptr<Kernel> kernel;
    Tensor saved;                 // in training
    std::vector<Tensor> further;  // outputs but the first that nobody reads
  };

  bool IsMoving(Value value) const;  // no parameter, not known: made at each pass
  const void* ArrayOf(Value value, const Parameters& parameters, Values& values) const;
  std::vector<Value> InputsOf(int node) const;
  std::vector<int> Plan(const Values& values, const std::set<Value>& wanted) const;
  // Sequences may have another number of rows in each mini-batch: what was made for most is let go.
  static constexpr size_t kMostSizes = 4;
  void SetSizes(Offsets offsets);
  Made& MadeOf(int node);
  Values::iterator Free(Values::iterator at, Values& values);
  void RunNode(int node, const Parameters& parameters, bool frees_first, Values& values);

  const Graph* graph_;
  bool training_;
  std::vector<char> read_;                      // values that a node reads
  BatchPart part_;                              // of the mini-batch at hand, all of it
  TimeCut time_{{}, {}};                        // its sequences
  Sizes sizes_;                                 // and how much it is
  std::map<Sizes, Graph::Types> types_;         // of mini-batches
  std::map<std::pair<int, Sizes>, Made> made_;  // of a node, for mini-batches
  std::multimap<int64_t, Tensor> free_;         // memory by size
};

}  // namespace normkit
