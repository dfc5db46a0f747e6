// What an executor runs: the nodes of a graph as a list of operations.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "normkit/nn/graph.h"

namespace normkit {

inline constexpr int kMissing = -1;

// One operation: a node, or a normalization or addition together with the ReLU behind it, or a
// normalization, the addition behind it and its ReLU.
struct Step {
  int node = 0;      // whose layer and parameters
  Value output = 0;  // the node's own value, or the ReLU's
  std::vector<Value> inputs;
  std::unique_ptr<LayerOp> op;  // null: an input layer that changes nothing
  size_t first_parameter = 0;   // in Parameters::list()
  std::vector<bool> trainable;  // of each parameter
  std::vector<int64_t> sizes;   // likewise
  bool needs_gradient = false;  // trains parameters, or lies behind a step that does
  int saved = kMissing, forward_scratch = kMissing, backward_scratch = kMissing;  // blocks

  // Arrays of a call, kept so that none is made in it.
  std::vector<const float*> input_arrays, backward_inputs;
  std::vector<float*> parameter_arrays, dparameter_arrays, dinput_arrays;
  std::unique_ptr<bool[]> add;
};

struct Steps {
  std::vector<Step> list;
  std::vector<int> of_value;  // the step that makes a value; kMissing: fused away
  std::vector<int> of_node;   // the step whose layer a node is; kMissing: a fused ReLU or addition

  bool NeedsGradient(Value value) const {
    const int step = of_value[static_cast<size_t>(value)];
    return step != kMissing && list[static_cast<size_t>(step)].needs_gradient;
  }
};

// `layouts` are those of the graph's values. With `fuse`, a normalization or addition whose only
// reader is a ReLU becomes one step with it, and a normalization whose only reader is such an
// addition of two becomes one step with both. Throws Error where no layer reads a value.
Steps MakeSteps(const Graph& graph, std::span<const Layout> layouts, bool training, bool fuse);

}  // namespace normkit
