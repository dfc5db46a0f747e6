// What an operation is: what comes out of what goes in (Op), and its execution for fixed shapes
// (Kernel). Operations know positions and sizes of axes, no labels, no names, no parameters: what a
// layer trains is one more input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/array.h"
#include "normkit/core/batch_part.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/reducer.h"
#include "normkit/core/tensor.h"

namespace normkit {

// What a pass over a graph is for, and who else takes part. Operations keep no such flag.
struct RunContext {
  bool training = false;  // batch statistics, dropout active, Backward may follow
  bool dropout = true;    // with `training`; false: batch statistics, nothing dropped
  uint64_t seed = 0;      // with the iteration and the node's stream all of its randomness
  uint64_t iteration = 0;
  // Joins what is added up over the observations with the other ranks, each of which runs the same
  // graph on its BatchPart::OfRank of the mini-batch. Null: there are none.
  Reducer* reducer = nullptr;
  // Batch normalization takes the statistics of all ranks' observations; false: of this one's.
  bool synchronized = true;
  int threads = 0;  // that work on it; 0: NumThreads()
};

// What a kernel is made for.
struct Preparation {
  bool training = false;  // Backward may be called
  // Whose observations the first axis holds, part.rows() or a multiple of it; whole 0: all there
  // are, each row one.
  BatchPart part = {};
  // Of arrays whose first axis is packed time (Layout::packed). How many rows there are, of this
  // part and of all of the mini-batch, stays as it is; which are whose is filled in anew before
  // each run: to be read then. It outlives the kernel. Null: each row is an observation.
  const PackedTime* time = nullptr;
};

// Arrays of one call, 64-byte aligned, of the types that the kernel was made for.
struct ForwardContext {
  RunContext run;
  int stream = 0;  // of random numbers: another one for each node that draws some
  std::span<const void* const> inputs;
  std::span<void* const> outputs;  // null: nobody wants it (never the first)
  std::byte* saved = nullptr;      // saved_bytes(), kept until Backward; null outside training
  std::byte* scratch = nullptr;    // forward_scratch_bytes(), only for this call

  template <class T = float>
  const T* x(size_t i = 0) const {
    return static_cast<const T*>(inputs[i]);
  }
  template <class T = float>
  T* y(size_t i = 0) const {
    return static_cast<T*>(outputs[i]);
  }
};

// Gradients are f32. Every one is overwritten, or added to where `add` says so, inputs and
// parameters alike.
struct BackwardContext {
  RunContext run;
  std::span<const void* const> inputs;     // null where needs_input() is false
  std::span<const void* const> outputs;    // null where needs_output() is false
  std::span<const float* const> doutputs;  // null: nothing depends on it
  std::span<float* const> dinputs;         // null: not wanted
  std::span<const bool> add;               // of each input; inputs are served in order
  const std::byte* saved = nullptr;
  std::byte* scratch = nullptr;  // backward_scratch_bytes()

  template <class T = float>
  const T* x(size_t i = 0) const {
    return static_cast<const T*>(inputs[i]);
  }
  template <class T = float>
  const T* y(size_t i = 0) const {
    return static_cast<const T*>(outputs[i]);
  }
  const float* dy(size_t i = 0) const { return doutputs[i]; }
  float* dx(size_t i = 0) const { return dinputs[i]; }
};

// An operation made ready for inputs of fixed types: library primitives created, ways chosen. Used
// by one thread at a time.
class NORMKIT_API Kernel {
 public:
  virtual ~Kernel() = default;
  // Which of several ways it is, and why not others, for logs; "": there is only one.
  const std::string& way() const { return way_; }
  void set_way(std::string way) { way_ = std::move(way); }
  virtual size_t saved_bytes() const { return 0; }
  virtual size_t forward_scratch_bytes() const { return 0; }
  virtual size_t backward_scratch_bytes() const { return 0; }
  virtual bool needs_input(size_t) const { return true; }  // does Backward read inputs[i]?
  virtual bool needs_output(size_t) const { return false; }
  // May outputs[0] be inputs[0]? May dinputs[i] be doutputs[0]? Of several inputs all for which
  // this holds may be at once, being equal.
  virtual bool forward_in_place() const { return false; }
  virtual bool backward_in_place(size_t) const { return false; }
  // Can Backward add to dinputs[i]? Where not, the executor adds.
  virtual bool adds(size_t) const { return true; }
  virtual void Forward(const ForwardContext& context) = 0;
  virtual void Backward(const BackwardContext& context);  // default: nothing has a gradient

 private:
  std::string way_;
};

// What a kernel is made for. `known`: the elements, where they are known before anything runs, as
// those of constants and of what follows from shapes.
struct OpInput {
  ArrayType type = {};
  const void* known = nullptr;
  // Where the first axis is packed time: the sequences whose rows it holds, of this part (1 where
  // it has none). For one that is built it is 1.
  int64_t observations = 1;
};

// A rectangle of an array: `size` elements from `begin` on, along each axis.
struct Box {
  std::vector<int64_t> begin, size;
  int64_t end(size_t axis) const { return begin[axis] + size[axis]; }
  bool operator==(const Box&) const = default;
};

// How a box of what an operation gives is made of boxes of what it reads.
struct OpPiece {
  // From those boxes to y, the bits being those of the whole; null: the operation itself.
  std::shared_ptr<const class Op> op;
  Box y;  // which holds the box that was asked for
  struct Input {
    size_t index;  // of the operation's inputs
    Box box;
  };
  std::vector<Input> inputs;      // of `op`
  std::vector<int64_t> key = {};  // equal where `op` is the same for equal sizes of boxes
};

// A description: properties only. The same may stand in several graphs and nodes.
class NORMKIT_API Op {
 public:
  virtual ~Op() = default;
  virtual std::string_view name() const = 0;  // "convolution": for the table of fusions, for logs
  // What comes out, at least one array. Labels of axes are passed on. Throws Error without a
  // subject, "window 3x3 is larger than ...", where the inputs do not fit: the graph says whose.
  virtual std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const = 0;
  // Whether it gives the same for the same inputs, in training too: known inputs make its outputs
  // known.
  virtual bool folds() const { return true; }
  // Of outputs that follow from the inputs' types alone: gives them, of the types of Infer.
  virtual std::vector<Tensor> Known(std::span<const OpInput>) const { return {}; }
  virtual std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                          const Preparation& how) const = 0;
  // For inputs of these types, in prediction. None: only the whole can be computed.
  virtual std::optional<OpPiece> Piece(std::span<const OpInput>, const Box&) const {
    return std::nullopt;
  }
};

}  // namespace normkit
