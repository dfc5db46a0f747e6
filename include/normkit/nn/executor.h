// Runs a graph for a fixed batch size: operations, and memory placed by liveness.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "normkit/core/export.h"
#include "normkit/nn/graph.h"
#include "normkit/nn/network.h"

namespace normkit {

// Prepared once; Forward and Backward allocate nothing. Batch normalization followed by ReLU alone
// runs fused. Activations live in one arena, placed so that values that are never alive together
// share memory; with `training` all that the backward pass reads stays alive.
class NORMKIT_API Executor {
 public:
  Executor(const Graph& graph, int64_t batch_size, bool training);
  ~Executor();

  int64_t batch_size() const;
  size_t arena_bytes() const;  // activations, gradients, saved statistics, scratch

  // Where the caller puts the observations, [B, ...] in the layout of the input layer's output.
  std::span<float> input();

  // Runs all nodes; the result, in the layout of the last node, stays valid until the next call.
  std::span<const float> Forward(Parameters& parameters, const RunMode& mode);

  // Any value of the last Forward; only with keep_all in the constructor is every one kept.
  std::span<const float> value(Value value) const;

  // After a training Forward: doutput is the gradient of the loss with respect to the value `from`
  // (a node from which the output follows; normally the last, or the one before softmax).
  // Overwrites the trainable parts of `gradients`.
  void Backward(Parameters& parameters, std::span<const float> doutput, Value from,
                const RunMode& mode, Parameters& gradients);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normkit
