// What an executor runs: the nodes of a graph as a list of kernels.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "normkit/graph/graph.h"

namespace normkit {

inline constexpr int kMissing = -1;

// One kernel: that of a node, or of several that run as one.
struct Step {
  int node = 0;                // the first
  std::vector<Value> inputs;   // parameters among them
  std::vector<Value> outputs;  // that of the last node, then what else the first one gives
  std::unique_ptr<Kernel> kernel;
  bool needs_gradient = false;  // something that it reads does
  int saved = kMissing, forward_scratch = kMissing, backward_scratch = kMissing;  // blocks
  std::vector<int> apart;  // of each input: the block of a gradient that the kernel cannot add to
                           // what others gave; kMissing: none is needed

  // Arrays of a call, kept so that none is made in it.
  std::vector<const void*> input_arrays, backward_inputs, backward_outputs;
  std::vector<void*> output_arrays;
  std::vector<const float*> doutput_arrays;
  std::vector<float*> dinput_arrays;
  std::unique_ptr<bool[]> add;
};

struct Steps {
  std::vector<Step> list;
  std::vector<int> of_value;         // the step that makes a value; kMissing: fused away, given
  std::vector<char> needs_gradient;  // of each value: it is trained, or made of what is

  int of(Value value) const { return of_value[static_cast<size_t>(value)]; }
  // Whether its gradient lies in the arena.
  bool HasGradient(Value value) const {
    return of(value) != kMissing && needs_gradient[static_cast<size_t>(value)];
  }
};

// `kept`: values that the caller wants to read. With `fuse`, operations that can run as one do.
// Throws Error where no layer reads what another gives.
Steps MakeSteps(const Graph& graph, const Graph::Types& types, const Preparation& how, bool fuse,
                std::span<const char> kept);

}  // namespace normkit
