// A plan as the kernels walk it: outer loops over what is kept and what is reduced around one
// contiguous run.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "src/norm/plan.h"

namespace normkit::norm::cpu {

// Nested loops addressed by one index, the innermost loop counting fastest.
class Loops {
 public:
  // Nests of more levels than this are not for these kernels (WhyNot of cpu_backend.cc).
  static constexpr int kMaxLoops = 16;

  // Adds a loop inside those that are there; one of size 1 is left out.
  void Add(int64_t size, int64_t stride) {
    size_ *= size;
    if (size == 1) return;
    if (count_ > 0 && loops_[count_ - 1].stride == stride * size) {
      loops_[count_ - 1] = {loops_[count_ - 1].size * size, stride};
      return;
    }
    loops_[count_++] = {size, stride};
  }
  int64_t size() const { return size_; }
  struct Loop {
    int64_t size, stride;
  };
  std::span<const Loop> loops() const { return {loops_, static_cast<size_t>(count_)}; }
  int64_t Offset(int64_t index) const {
    if (count_ == 1) return index * loops_[0].stride;
    // Short runs wait for divisions: in 32 bits half to a fifth of the time.
    if (count_ != 2 || size_ > std::numeric_limits<uint32_t>::max()) return OffsetOfMany(index);
    const auto i = static_cast<uint32_t>(index), inner = static_cast<uint32_t>(loops_[1].size);
    return int64_t{i / inner} * loops_[0].stride + int64_t{i % inner} * loops_[1].stride;
  }
  // Whether each index has itself for an offset.
  bool IsIdentity() const { return count_ == 0 || (count_ == 1 && loops_[0].stride == 1); }
  // What is left of the innermost loop from this index on.
  struct Pass {
    int64_t size, offset, stride;
  };
  Pass PassFrom(int64_t index) const {
    const Loop& inner = Innermost();
    return {inner.size - (count_ > 1 ? index % inner.size : index), Offset(index), inner.stride};
  }
  // How many indices from this one on have offsets in a row, as far as that goes.
  int64_t InARow(int64_t index) const {
    const Pass pass = PassFrom(index);
    return pass.stride == 1 ? pass.size : 1;
  }
  // After how many indices all offsets come again: those of the outer loops without a stride.
  int64_t Period() const {
    int64_t period = 1;
    int i = 0;
    while (i < count_ && loops_[i].stride == 0) ++i;
    for (; i < count_; ++i) period *= loops_[i].size;
    return period;
  }
  // Where the run of neighbouring indices ends that have the offset of `index`.
  int64_t EndOfSame(int64_t index) const {
    const Loop& inner = Innermost();
    return inner.stride != 0 ? index + 1 : (index / inner.size + 1) * inner.size;
  }

 private:
  const Loop& Innermost() const { return loops_[count_ > 0 ? count_ - 1 : 0]; }
  int64_t OffsetOfMany(int64_t index) const;

  Loop loops_[kMaxLoops] = {{1, 0}};
  int count_ = 0;
  int64_t size_ = 1;
};

// values[loops.Offset(index)] of n indices from `first` on: where they are if they lie in a row,
// else in `room`.
template <class V>
const V* InARow(const Loops& loops, int64_t first, int64_t n, const V* values, V* room) {
  if (const Loops::Pass pass = loops.PassFrom(first); pass.stride == 1 && pass.size >= n)
    return values + pass.offset;
  for (int64_t i = 0, count; i < n; i += count) {
    const Loops::Pass pass = loops.PassFrom(first + i);
    count = std::min(n - i, pass.size);
    if (pass.stride == 0) {
      std::fill_n(room + i, count, values[pass.offset]);
      continue;
    }
    for (int64_t k = 0; k < count; ++k) room[i + k] = values[pass.offset + k * pass.stride];
  }
  return room;
}

// Element (k, r, i) lies at kept.Offset(k) + reduced.Offset(r) + i. Its statistic is k where the
// run is reduced (!inner_kept), else k * inner + i.
struct Nest {
  Loops kept, reduced;
  int64_t inner = 1;
  bool inner_kept = true;

  int64_t num_kept() const { return kept.size() * (inner_kept ? inner : 1); }
  int64_t num_reduced() const { return reduced.size() * (inner_kept ? 1 : inner); }
};

Nest MakeNest(const Plan& plan);

// n / by of 0 <= n <= most, by a product where that is exact (most * by < 2^64): divisions for the
// places of x, dy and dx were a quarter of the time of a row of 512.
class InvariantDivisor {
 public:
  InvariantDivisor() = default;
  InvariantDivisor(int64_t by, int64_t most);
  int64_t Quotient(int64_t n) const {
    if (inverse_ == 0) return n / by_;
    return static_cast<int64_t>(
        (static_cast<unsigned __int128>(inverse_) * static_cast<uint64_t>(n)) >> 64);
  }

 private:
  int64_t by_ = 1;
  uint64_t inverse_ = 0;  // 2^64 / by, rounded up; 0: divided
};

// Where an array lies whose outer axes have distances of their own: runs of `run` elements, each
// dense, at the offsets of `outer`.
class Pitch {
 public:
  Pitch(int64_t run, const Loops& outer);

  int64_t run() const { return run_; }
  const Loops& outer() const { return outer_; }
  // Of element `at` of the dense array, from the first.
  int64_t Offset(int64_t at) const;
  // Of rows of n elements, of which a run is a whole number: how far neighbours lie apart, where
  // they do so alike, and how many do from `at` on, which is as far as a step may be taken.
  int64_t Step(int64_t n) const;
  int64_t SteadyRows(int64_t at, int64_t n) const;

 private:
  int64_t run_;
  Loops outer_;
  InvariantDivisor by_run_;
  std::array<InvariantDivisor, Loops::kMaxLoops> by_size_;  // of each loop
};

}  // namespace normkit::norm::cpu
