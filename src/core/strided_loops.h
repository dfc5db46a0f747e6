// Loops over arrays of one shape, each with strides of its own: what transposes, slices and
// broadcasts have in common.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "src/core/parallel.h"

namespace normkit {

using Strides = std::vector<int64_t>;

// Of a dense array.
inline Strides DenseStrides(const std::vector<int64_t>& shape) {
  Strides strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// Of an array of `shape` as one of `to`, from behind: axes of 1 and those that are not there are
// read again and again.
inline Strides BroadcastStrides(const std::vector<int64_t>& shape, const std::vector<int64_t>& to) {
  const Strides dense = DenseStrides(shape);
  Strides strides(to.size(), 0);
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) strides[to.size() - shape.size() + i] = dense[i];
  return strides;
}

// N arrays of one shape. Neighbouring axes that are one to all of them are merged, axes of one
// element left out.
template <size_t N>
class StridedLoops {
 public:
  using Offsets = std::array<int64_t, N>;
  static constexpr int64_t kMostRun = 1 << 14;  // elements of a run that a body is given

  StridedLoops(const std::vector<int64_t>& shape, const std::array<Strides, N>& strides) {
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] == 1) continue;
      Axis next{shape[axis], {}};
      for (size_t k = 0; k < N; ++k) next.strides[k] = strides[k][axis];
      if (!axes_.empty() && Merges(axes_.back(), next))
        next.size *= axes_.back().size, axes_.back() = next;
      else
        axes_.push_back(next);
    }
    if (axes_.empty()) axes_.push_back({1, {}});
    for (const Axis& axis : axes_) size_ *= axis.size;
  }

  int64_t size() const { return size_; }
  int64_t stride(size_t k) const { return axes_.back().strides[k]; }  // along a run

  // Calls body(offsets, n) for runs of n elements along the last axis, in pieces cut by shape; in
  // order, one after the other, where not `threads`.
  template <class Body>
  void ForRuns(const Body& body, bool threads = true) const {
    if (size_ == 0) return;
    const int64_t length = axes_.back().size, rows = size_ / length;
    const int64_t parts = (length + kMostRun - 1) / kMostRun;  // of a row
    const int64_t in_piece = std::max<int64_t>(1, kMostRun / length);
    const int64_t pieces = parts * ((rows + in_piece - 1) / in_piece);
    ParallelFor(pieces, threads && size_ >= kWorthThreads, [&](int64_t piece) {
      const int64_t first = piece / parts * in_piece, begin = piece % parts * kMostRun;
      const int64_t n = std::min(kMostRun, length - begin);
      Place place = At(first);
      for (size_t k = 0; k < N; ++k) place.offsets[k] += begin * stride(k);
      for (int64_t row = first; row < std::min(rows, first + in_piece); ++row) {
        body(place.offsets, parts > 1 ? n : length);
        Advance(place);
      }
    });
  }

 private:
  static constexpr int64_t kWorthThreads = 1 << 15;  // elements
  struct Axis {
    int64_t size;
    Offsets strides;
  };
  struct Place {
    std::vector<int64_t> index;
    Offsets offsets{};
  };

  static bool Merges(const Axis& outer, const Axis& inner) {
    for (size_t k = 0; k < N; ++k)
      if (outer.strides[k] != inner.strides[k] * inner.size) return false;
    return true;
  }

  Place At(int64_t row) const {
    Place place{std::vector<int64_t>(axes_.size() - 1), {}};
    for (size_t i = place.index.size(); i-- > 0;) {
      place.index[i] = row % axes_[i].size;
      row /= axes_[i].size;
      for (size_t k = 0; k < N; ++k) place.offsets[k] += place.index[i] * axes_[i].strides[k];
    }
    return place;
  }

  void Advance(Place& place) const {
    for (size_t i = place.index.size(); i-- > 0;) {
      for (size_t k = 0; k < N; ++k) place.offsets[k] += axes_[i].strides[k];
      if (++place.index[i] < axes_[i].size) return;
      for (size_t k = 0; k < N; ++k) place.offsets[k] -= axes_[i].size * axes_[i].strides[k];
      place.index[i] = 0;
    }
  }

  std::vector<Axis> axes_;
  int64_t size_ = 1;
};

}  // namespace normkit
