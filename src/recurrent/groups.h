// What LSTM and GRU share of computing a group of sequences step by step.
#pragma once

#include <algorithm>
#include <utility>

#include "src/core/scratch.h"
#include "src/products/row_product.h"
#include "src/recurrent/recurrent.h"

namespace normkit::recurrent {

using products::Begin;
using products::PackedSize;
using products::RowProduct;
using products::WeightOrder;

// Floats that begin a cache line.
inline size_t WholeLines(size_t floats) { return (floats + 15) / 16 * 16; }

// Arrays of pointers to rows, of one thread.
class RowLists {
 public:
  RowLists(int64_t lists, int64_t longest) : longest_(longest) {
    struct PointersTag;
    memory_ = Scratch<PointersTag, float*>(static_cast<size_t>(lists * longest));
  }
  float** Take() { return std::exchange(memory_, memory_ + longest_); }

 private:
  int64_t longest_;
  float** memory_;
};

// Rows that are only read go by the same kind of pointer.
inline float* Readable(const float* row) { return const_cast<float*>(row); }

class GroupBase {
 protected:
  GroupBase(const RecurrentShape& shape, std::span<const Course> group)
      : s_(shape), group_(group), size_(std::ssize(group)) {}

  const Course& course(int64_t i) const { return group_[static_cast<size_t>(i)]; }
  template <class F>
  void ForAlive(int64_t alive, const F& f) const {
    for (int64_t i = 0; i < alive; ++i) f(i, course(i));
  }
  static float* AtOr(const float* rows, int64_t row, int64_t step, float* otherwise) {
    return rows ? Readable(rows) + row * step : otherwise;
  }

  const RecurrentShape s_;
  const std::span<const Course> group_;
  const int64_t size_;
};

// One group forward.
class ForwardGroup : protected GroupBase {
 public:
  // The packed input weights lie in front of `scratch`; `numbers`: floats of the cell's own.
  ForwardGroup(const RecurrentForward& run, const float* scratch, std::span<const Course> group,
               int64_t lists, int64_t numbers);
  virtual ~ForwardGroup() = default;
  void Run();

 protected:
  // Gates of the first `alive` at step t, which have W x + b, to h and what is kept.
  virtual void Step(int64_t t, int64_t alive, float** gates) = 0;
  // Of the i-th, c where the cell has one. In prediction one row for all steps.
  float* C(int64_t i, const Course& course, int64_t t) const {
    return run_.kept.c ? run_.kept.c + course.Row(t) * s_.hidden : c_rows_ + i * s_.hidden;
  }
  float* H(const Course& course, int64_t t) const { return run_.h + course.Row(t) * run_.h_step; }
  float* HBefore(const Course& course, int64_t t) const {
    return t > 0 ? H(course, t - 1)
                 : AtOr(run_.begin.h, course.observation, run_.begin.h_step, zeros_);
  }
  float* CBefore(int64_t i, const Course& course, int64_t t) const {
    return t > 0 ? C(i, course, t - 1)
                 : AtOr(run_.begin.c, course.observation, run_.begin.c_step, zeros_);
  }
  bool has_h_before(int64_t t) const { return t > 0 || run_.begin.h; }

  const RecurrentForward& run_;
  RowLists lists_;
  float *zeros_, *c_rows_, *numbers_;

 private:
  void MultiplyInputs(int64_t begin, int64_t end);
  void End() const;

  const RowProduct input_;
  float* gate_rows_;
  float **x_, **gates_;
};

// One group backward.
class BackwardGroup : protected GroupBase {
 public:
  BackwardGroup(const RecurrentBackward& run, std::span<const Course> group, int64_t lists,
                int64_t numbers);
  virtual ~BackwardGroup() = default;
  void Run();

 protected:
  // From what h and c get from behind (Dh, Dc and Given) to dgates and the Dh and Dc of the step
  // before.
  virtual void Step(int64_t t, int64_t alive) = 0;
  float* Dh(int64_t i) const { return dh_ + i * s_.outputs; }
  float* Dc(int64_t i) const { return dc_ + i * s_.hidden; }
  // Of what the layer gives at this step.
  float* Given(const Course& course, int64_t t) const;
  bool wants_h_before(int64_t t) const { return t > 0 || run_.dbegin.h; }

  const RecurrentBackward& run_;
  RowLists lists_;
  float *zeros_, *numbers_;

 private:
  void Enter(int64_t i) const;
  void Begin() const;

  float *dh_, *dc_;
};

// Floats of the packed input weights.
inline size_t InputFloats(const RecurrentShape& s) {
  return s.normalizes ? 0 : PackedSize(s.gates(), s.inputs);
}

// Of each kind of cell: floats behind the packed input weights, their contents, one group.
size_t LstmForwardScratch(const RecurrentShape& shape);
void PackLstm(const RecurrentForward& run, float* scratch);
void RunLstm(const RecurrentForward& run, const float* scratch, std::span<const Course> group);
size_t LstmBackwardScratch(const RecurrentShape& shape);
void PackLstm(const RecurrentBackward& run, float* scratch);
void RunLstm(const RecurrentBackward& run, const float* scratch, std::span<const Course> group);
// What normalizes packs as an LSTM does.
void RunNormalizedLstm(const RecurrentForward& run, const float* scratch,
                       std::span<const Course> group);
void RunNormalizedLstm(const RecurrentBackward& run, const float* scratch,
                       std::span<const Course> group);
size_t GruForwardScratch(const RecurrentShape& shape);
void PackGru(const RecurrentForward& run, float* scratch);
void RunGru(const RecurrentForward& run, const float* scratch, std::span<const Course> group);
size_t GruBackwardScratch(const RecurrentShape& shape);
void PackGru(const RecurrentBackward& run, float* scratch);
void RunGru(const RecurrentBackward& run, const float* scratch, std::span<const Course> group);

}  // namespace normkit::recurrent
