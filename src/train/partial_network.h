// A part of a network, from values at hand to values wanted.
#pragma once

#include <cstdint>
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

// Runs only the layers that a part needs, one by one and never fused, and frees a value as soon as
// the part has no more use for it: its memory is what is alive at once, not the sum of all layers.
class PartialNetwork {
 public:
  // mode: training for batch statistics, else the trained ones; no dropout either way.
  PartialNetwork(const Graph& graph, bool training);

  // Memory for one mini-batch of observations, to be given to Run as value kObservations.
  static constexpr Value kObservations = -1;
  Tensor Take(int64_t size);

  // Makes the values `wanted`, which have to follow from `values`; leaves them there, and of the
  // others those that this did not read.
  void Run(int64_t batch_size, Parameters& parameters, const std::set<Value>& wanted,
           Values& values);

  const Layout& LayoutOf(Value value) const { return layouts_[static_cast<size_t>(value)]; }
  int64_t SizeOf(Value value, int64_t batch_size) const;       // in floats
  void KeepOnly(const std::set<Value>& kept, Values& values);  // takes back the memory of others

 private:
  struct Op {
    std::unique_ptr<LayerOp> op;  // null: changes nothing
    Tensor saved;                 // training only
  };

  std::vector<Value> InputsOf(Value value) const;
  std::vector<Value> Plan(const Values& values, const std::set<Value>& wanted) const;
  Op& OpOf(Value value, int64_t batch_size);
  Values::iterator Free(Values::iterator at, Values& values);
  void RunNode(Value value, int64_t batch_size, Parameters& parameters, bool frees_first,
               Values& values);

  const Graph* graph_;
  bool training_;
  std::vector<Layout> layouts_;                  // for batch size 1
  std::map<std::pair<Value, int64_t>, Op> ops_;  // of a node, for a batch size
  std::multimap<int64_t, Tensor> free_;          // memory by size
};

}  // namespace normkit
