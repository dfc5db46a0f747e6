// Runs a graph: kernels for the shapes at hand, and memory placed by liveness.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/graph/graph.h"
#include "normkit/graph/parameters.h"

namespace normkit {

struct ExecutorOptions {
  bool training = false;         // training passes and Backward
  bool keep_all = false;         // nothing shares memory and nothing is fused: value() knows all
  std::vector<Value> keep = {};  // values that value() has to know
  // Memory that executors of several graphs use in turns: what one holds is gone when another gets
  // ready (SetShapes), and back at none. Null: of its own.
  std::shared_ptr<Tensor> arena = nullptr;
};

// Makes a plan for each set of input shapes that it meets, keeps the last few of them, and runs
// them in one arena; Forward and Backward allocate nothing (oneDNN's own small tables of arguments
// aside). What follows from constants and shapes is computed when a plan is made. Operations that
// can run as one do. Activations and gradients are placed so that those that are never alive
// together share memory, and so that elementwise operations, normalizations and sums write over
// what they read where nobody reads it any more; with `training` all that the backward pass reads
// stays alive. Used by one thread at a time; any number of executors may run the same graph.
class NORMKIT_API Executor {
 public:
  explicit Executor(const Graph& graph, const ExecutorOptions& options = {});
  // The same, made ready for batches of this size.
  Executor(const Graph& graph, int64_t batch_size, bool training, bool keep_all = false);
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  // What arena_bytes() of such an executor will be, without making it; where time is packed that of
  // so many rows, each an observation. Throws the same errors but for that of memory.
  static double PlannedBytes(const Graph& graph, int64_t batch_size, bool training,
                             bool keep_all = false);
  static double PlannedBytes(const Graph& graph, std::span<const Layout> shapes,
                             const ExecutorOptions& options);

  // Gets ready for inputs of these shapes, or with so many observations each. Where the last plan
  // was another, what inputs and values held is gone. Throws Error that names the layer where one
  // cannot take what it is given, a layer's output is read by no one, or memory is short.
  void SetShapes(std::span<const Layout> shapes);
  void SetBatchSize(int64_t batch_size);
  int64_t batch_size() const;  // of the first input: observations
  // The same for one rank's part of a mini-batch (RunContext::reducer); a rank that has none of it
  // computes one observation that counts for nothing. Where time is packed, offsets [whole + 1] say
  // where each observation of the whole mini-batch begins among its rows and the last one ends,
  // from 0; inputs then take the rows of the part. Mini-batches of as many observations and rows,
  // in all and in the part, have one plan. Throws Error where an observation has no row.
  void SetBatch(const BatchPart& part, std::span<const int64_t> offsets = {});
  const BatchPart& part() const;
  // What the first axis of a value is cut by: the same, or the part of all rows.
  const BatchPart& part(Value value) const;

  size_t arena_bytes() const;  // activations, gradients, saved statistics, scratch

  // Where the caller puts the observations. They stay there until overwritten.
  std::span<float> input();       // the first input, [B, ...] in its layout
  ArrayView input(size_t index);  // in the order of Graph::inputs()

  // Runs all nodes; the graph's output stays valid until the next Forward. run.training needs an
  // executor made for training. Parameters and state stay as they are: who trains moves them.
  std::span<const float> Forward(const Parameters& parameters, const RunContext& run);
  // The same, copying the inputs from arrays of any shapes, which decide the plan.
  ArrayView Run(const Parameters& parameters, std::span<const ArrayView> inputs,
                const RunContext& run = {});

  // A value of the last Forward: the output, what the last node reads, what is to be kept and, in
  // training, what nodes give that nobody reads (the moments of batch normalizations); until
  // Backward. Throws Error for one that is not there.
  template <class T = float>
  std::span<const T> value(Value value) const {
    const auto [data, size] = Find(value, DTypeOf<T>());
    return {static_cast<const T*>(data), size};
  }
  ArrayView array(Value value) const;

  // Whether the last call was a training Forward: Backward may follow.
  bool can_go_back() const;
  // After a training Forward: doutput is the gradient of the loss with respect to the value `from`
  // (one that the output follows from; normally the output, or what softmax reads). Overwrites the
  // trainable parts of `gradients`.
  void Backward(const Parameters& parameters, std::span<const float> doutput, Value from,
                const RunContext& run, Parameters& gradients);

 private:
  std::pair<const void*, size_t> Find(Value value, DType dtype) const;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normkit
