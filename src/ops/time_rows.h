// Rows of packed time, and whose they are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "normkit/ops/op.h"

namespace normkit::ops {

// Where the observations of a run lie among the rows of an array of packed time. Without a
// PackedTime each row is an observation.
class TimeRows {
 public:
  TimeRows(const Layout& x, int64_t observations, const PackedTime* time)
      : rows_(x.axes()[0].size), observations_(observations), time_(time) {}

  // A rank without observations has a row that counts for nothing.
  bool Idle() const { return time_ && time_->offsets.empty(); }
  int64_t rows() const { return rows_; }
  int64_t observations() const { return observations_; }
  // Where one begins; of `observations()` the end of the last.
  int64_t begin(int64_t observation) const {
    return time_ ? time_->offsets[static_cast<size_t>(observation)] : observation;
  }
  int64_t length(int64_t observation) const { return begin(observation + 1) - begin(observation); }
  int64_t longest() const {
    int64_t most = 0;
    for (int64_t i = 0; i < observations_; ++i) most = std::max(most, length(i));
    return most;
  }
  // Whose a row is.
  int64_t ObservationOf(int64_t row) const {
    if (!time_) return row;
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
  int64_t rows_, observations_;
  const PackedTime* time_;
};

}  // namespace normkit::ops
