// Rows of packed time, and whose they are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "normkit/ops/op.h"
#include "src/core/batch_tree.h"

namespace normkit::ops {

// Where the observations of a run lie among the rows of an array of packed time. Without a
// PackedTime each has as many rows, one unless it is told.
class TimeRows {
 public:
  TimeRows(const Layout& x, int64_t observations, const PackedTime* time, int64_t each = 1)
      : rows_(x.axes()[0].size), observations_(observations), each_(each), time_(time) {}

  // A rank without observations has a row that counts for nothing.
  bool Idle() const { return time_ && time_->offsets.empty(); }
  int64_t rows() const { return rows_; }
  int64_t observations() const { return observations_; }
  // Where one begins; of `observations()` the end of the last.
  int64_t begin(int64_t observation) const {
    return time_ ? time_->offsets[static_cast<size_t>(observation)] : observation * each_;
  }
  int64_t length(int64_t observation) const { return begin(observation + 1) - begin(observation); }
  int64_t longest() const {
    int64_t most = 0;
    for (int64_t i = 0; i < observations_; ++i) most = std::max(most, length(i));
    return most;
  }
  // Whose a row is.
  int64_t ObservationOf(int64_t row) const {
    if (!time_) return row / each_;
    const auto& offsets = time_->offsets;
    return std::upper_bound(offsets.begin(), offsets.end(), row) - offsets.begin() - 1;
  }
  // Calls f(row, begin, end) for rows [first, last), with where the observation of each lies.
  template <class F>
  void ForRows(int64_t first, int64_t last, const F& f) const {
    for (int64_t i = ObservationOf(first), row = first; row < last; ++i)
      for (const int64_t end = begin(i + 1); row < std::min(end, last); ++row)
        f(row, begin(i), end);
  }

 private:
  int64_t rows_, observations_, each_;
  const PackedTime* time_;
};

// The rows of features of x that look at each other: steps of packed time, TC, or the positions of
// pictures and volumes, [B, space, C], of which every observation has as many.
class LookingRows {
 public:
  LookingRows(const OpInput& x, const Preparation& how)
      : layout_(Flat(x.type.shape)), rows_(Find(x, how)), cut_(layout_, how.part, how.time) {}

  const TimeRows& rows() const { return rows_; }
  const RowCut& cut() const { return cut_; }  // of their tree
  const Layout& layout() const { return layout_; }

  static bool Fits(const Layout& x) {
    return x.format() == "TC" || x.format() == "BSSC" || x.format() == "BSSSC";
  }

 private:
  static Layout Flat(const Layout& x) {
    if (x.packed()) return x;
    return Layout({{kB, x.size() / x.channels()}, {kC, x.channels()}});
  }
  TimeRows Find(const OpInput& x, const Preparation& how) const {
    if (x.type.shape.packed()) return {layout_, x.observations, how.time};
    const int64_t observations = x.type.shape.axes()[0].size;
    return {layout_, observations, nullptr, layout_.axes()[0].size / observations};
  }

  Layout layout_;
  TimeRows rows_;
  RowCut cut_;
};

}  // namespace normkit::ops
