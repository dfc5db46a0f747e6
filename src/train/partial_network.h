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

namespace normkit {

// Values of one mini-batch that lie in memory, by what they are.
using Values = std::map<Value, Tensor>;

// Runs only the nodes that a part needs, one by one and never fused, and frees a value as soon as
// the part has no more use for it: its memory is what is alive at once, not the sum of all nodes.
class PartialNetwork {
 public:
  // training: batch statistics, else the trained ones; no dropout either way.
  PartialNetwork(const Graph& graph, bool training) : graph_(&graph), training_(training) {}

  // Memory for so many floats, as that of the observations which Run is given as the graph's input.
  Tensor Take(int64_t size);

  // Makes the values `wanted`, which have to follow from `values`; leaves them there, and of the
  // others those that this did not read. Calls visit(value, array) for each of `seen` when it
  // stands: it need not last until the end.
  // batch_size: observations, or rows where time is packed.
  using Visit = std::function<void(Value, const Tensor&)>;
  void Run(int64_t batch_size, const Parameters& parameters, const std::set<Value>& wanted,
           const std::set<Value>& seen, const Visit& visit, Values& values);

  const Layout& LayoutOf(Value value) const { return graph_->layout(value); }
  int64_t SizeOf(Value value, int64_t batch_size) const;       // in floats
  void KeepOnly(const std::set<Value>& kept, Values& values);  // takes back the memory of others

 private:
  struct Made {
    std::unique_ptr<Kernel> kernel;
    Tensor saved;                 // in training
    std::vector<Tensor> further;  // outputs but the first, which nobody reads
  };

  bool IsMoving(Value value) const;  // no parameter, no constant: made at each pass
  std::vector<Value> InputsOf(int node) const;
  std::vector<int> Plan(const Values& values, const std::set<Value>& wanted) const;
  // Sequences may have another number of rows in each mini-batch: what was made for most is let go.
  static constexpr size_t kMostSizes = 4;
  void MakeRoomFor(int64_t batch_size);
  Made& MadeOf(int node, int64_t batch_size);
  Values::iterator Free(Values::iterator at, Values& values);
  void RunNode(int node, int64_t batch_size, const Parameters& parameters, bool frees_first,
               Values& values);

  const Graph* graph_;
  bool training_;
  std::map<int64_t, Graph::Types> types_;         // by batch size
  std::map<std::pair<int, int64_t>, Made> made_;  // of a node, for a batch size
  std::multimap<int64_t, Tensor> free_;           // memory by size
};

}  // namespace normkit
