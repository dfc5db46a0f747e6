// Runs a graph for a fixed batch size: operations, and memory placed by liveness.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/nn/graph.h"
#include "normkit/nn/network.h"

namespace normkit {

// The statistics of a batch normalization in the last training Forward, of its running axes.
// Pooled over batches (Moments::Merge) they are the population's.
struct BatchMoments {
  int64_t count = 0;  // elements behind each value
  std::span<const double> mean;
  std::span<const double> variance;  // divides by count
};

// Prepared once; Forward and Backward allocate nothing (oneDNN's own small tables of arguments
// aside). A normalization or addition followed by ReLU alone runs fused with it. Activations and
// gradients live in one arena, placed so that those that are never alive together share memory, and
// so that elementwise operations, normalizations and sums write over what they read where nobody
// reads it any more; with `training` all that the backward pass reads stays alive. Used by one
// thread at a time; any number of executors may run the same graph.
class NORMKIT_API Executor {
 public:
  // With keep_all nothing shares memory and nothing is fused, so that value() knows every node.
  // Throws Error where batch_size < 1, a layer's output is read by no one, or memory is short.
  Executor(const Graph& graph, int64_t batch_size, bool training, bool keep_all = false);
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  // What arena_bytes() of such an executor will be, without making it. Throws the same errors but
  // for that of memory.
  static double PlannedBytes(const Graph& graph, int64_t batch_size, bool training,
                             bool keep_all = false);

  int64_t batch_size() const;
  size_t arena_bytes() const;  // activations, gradients, saved statistics, scratch

  // Where the caller puts the observations, [B, ...] in the layout of the input layer's output.
  // They stay there until overwritten.
  std::span<float> input();

  // Runs all nodes; the result, in the layout of the last node, stays valid until the next Forward.
  // mode.training needs an executor made for training.
  std::span<const float> Forward(Parameters& parameters, const RunMode& mode);

  // A value of the last Forward: the output and what the last node reads, until Backward; with
  // keep_all every one. Throws Error for one that is not kept.
  std::span<const float> value(Value value) const;

  // After a training Forward: doutput is the gradient of the loss with respect to the value `from`
  // (a node from which the output follows; normally the last, or the one before softmax).
  // Overwrites the trainable parts of `gradients`.
  void Backward(Parameters& parameters, std::span<const float> doutput, Value from,
                const RunMode& mode, Parameters& gradients);

  // Empty where `node` is no batch normalization, or used its trained statistics. Valid from a
  // training Forward until Backward.
  BatchMoments BatchStatistics(Value node) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normkit
