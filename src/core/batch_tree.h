// The tree that everything is added up by: leaves of a mini-batch, merged pairwise.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "normkit/core/batch_part.h"
#include "normkit/core/layout.h"
#include "normkit/core/reducer.h"
#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/core/scratch.h"

namespace normkit {

// The rows of an array that lie in each leaf of a part that has any, by their place in the array. A
// part without a mini-batch (whole 0) is all rows, each an observation; else observations have the
// same number of rows, or the part is one of rows.
class LeafCut {
 public:
  LeafCut(int64_t rows, const BatchPart& part) {
    BatchPart cut = part;
    if (cut.whole == 0) cut.whole = rows;
    int64_t each = rows / cut.rows();
    if (each * cut.rows() != rows) {  // no rows of observations: the array is cut as it is
      if (!cut.is_whole())
        Fail("{} rows for {} observations of a rank, expected a multiple of them", rows,
             cut.rows());
      cut.whole = rows;
      each = 1;
    }
    for (int leaf = 0; leaf < BatchPart::kLeaves; ++leaf)
      longest_ = std::max(longest_, (cut.leaf_begin(leaf + 1) - cut.leaf_begin(leaf)) * each);
    for (int leaf = cut.first_leaf; leaf < cut.last_leaf; ++leaf) {
      const int64_t begin = cut.leaf_begin(leaf), end = cut.leaf_begin(leaf + 1);
      if (begin == end) continue;
      begins_[static_cast<size_t>(count_)] = (begin - cut.begin()) * each;
      leaves_[static_cast<size_t>(count_++)] = leaf;
      begins_[static_cast<size_t>(count_)] = (end - cut.begin()) * each;
    }
    part_ = cut;
    each_ = each;
  }

  const BatchPart& part() const { return part_; }
  int64_t each() const { return each_; }    // rows of an observation
  int64_t count() const { return count_; }  // of leaves with rows
  int leaf(int64_t i) const { return leaves_[static_cast<size_t>(i)]; }
  int64_t begin(int64_t i) const { return begins_[static_cast<size_t>(i)]; }
  int64_t length(int64_t i) const { return begin(i + 1) - begin(i); }
  int64_t longest() const { return longest_; }  // leaf of the whole mini-batch
  // By the leaf itself, of this part.
  int64_t begin_of(int leaf) const { return (part_.leaf_begin(leaf) - part_.begin()) * each_; }
  int64_t rows() const { return begins_[static_cast<size_t>(count_)]; }

 private:
  BatchPart part_;
  int64_t count_ = 0, longest_ = 0, each_ = 1;
  std::array<int64_t, BatchPart::kLeaves + 1> begins_{};
  std::array<int, BatchPart::kLeaves> leaves_{};
};

// How the first axis of a kernel's arrays is cut: the same at each call where observations have the
// same number of rows, as the mini-batch at hand is where it is packed time.
class RowCut {
 public:
  RowCut(int64_t rows, const BatchPart& part) : rows_(rows), cut_(rows, part) {}
  // `time` is not null where x is packed, and outlives this.
  RowCut(const Layout& x, const BatchPart& part, const PackedTime* time)
      : time_(x.packed() ? time : nullptr),
        rows_(x.axes()[0].size),
        cut_(rows_, time_ ? time_->rows : part) {}

  LeafCut Get() const { return time_ ? LeafCut(rows_, time_->rows) : cut_; }
  bool uneven() const { return time_ != nullptr; }

 private:
  const PackedTime* time_ = nullptr;
  int64_t rows_;
  LeafCut cut_;
};

// An array for each leaf; null: it has no observations. A merged node stands at its first leaf.
template <class T>
using LeafArrays = std::array<T*, BatchPart::kLeaves>;

// Merges those of leaves [first, last) as far up the tree as both halves of a node are there:
// join(into, from).
template <class T, class Join>
void MergeLeaves(LeafArrays<T>& arrays, int first, int last, const Join& join) {
  for (int half = 1; half < BatchPart::kLeaves; half *= 2)
    for (int node = 0; node < BatchPart::kLeaves; node += 2 * half) {
      if (node < first || node + 2 * half > last) continue;
      T*& into = arrays[static_cast<size_t>(node)];
      T*& from = arrays[static_cast<size_t>(node + half)];
      if (into && from) join(into, from);
      if (!into) into = from;
      from = nullptr;
    }
}

// Calls f(first, leaves) for the nodes that a part is left with, by their first leaves, in order,
// with how many leaves each is of.
template <class F>
void ForNodes(const BatchPart& part, const F& f) {
  for (int first = part.first_leaf; first < part.last_leaf;) {
    int leaves = 1;
    while (first % (2 * leaves) == 0 && first + 2 * leaves <= part.last_leaf) leaves *= 2;
    if (part.leaf_begin(first) < part.leaf_begin(first + leaves)) f(first, leaves);
    first += leaves;
  }
}

// Their first leaves.
class PartNodes {
 public:
  explicit PartNodes(const BatchPart& part) {
    ForNodes(part, [&](int first, int) { leaves_[count_++] = static_cast<size_t>(first); });
  }
  size_t count() const { return count_; }
  size_t operator[](size_t i) const { return leaves_[i]; }

 private:
  size_t count_ = 0;
  std::array<size_t, BatchPart::kLeaves> leaves_{};
};

// Those of this part's nodes join those of all ranks, which are `size` elements each; gives the
// root, null where the mini-batch is empty. Every rank has its part by BatchPart::OfRank.
template <class T, class Join>
T* JoinRanks(LeafArrays<T> nodes, const BatchPart& part, Reducer& reducer, int64_t size,
             const Join& join) {
  struct OwnTag;
  struct AllTag;
  const auto n = static_cast<size_t>(size), ranks = static_cast<size_t>(reducer.ranks());
  const auto part_of = [&](size_t rank) {
    return BatchPart::OfRank(part.whole, static_cast<int>(rank), reducer.ranks(), part.begins);
  };
  size_t most = 0;
  for (size_t r = 0; r < ranks; ++r) most = std::max(most, PartNodes(part_of(r)).count());
  T* own = Scratch<OwnTag, T>(most * n);
  T* all = Scratch<AllTag, T>(most * n * ranks);
  const PartNodes mine(part);
  if (most * n > 0) std::memset(static_cast<void*>(own), 0, most * n * sizeof(T));  // of null: UB
  for (size_t i = 0; i < mine.count(); ++i) std::copy_n(nodes[mine[i]], n, own + i * n);
  reducer.Gather(std::as_bytes(std::span(own, most * n)),
                 std::as_writable_bytes(std::span(all, most * n * ranks)));
  nodes.fill(nullptr);
  for (size_t r = 0; r < ranks; ++r) {
    const PartNodes theirs(part_of(r));
    for (size_t i = 0; i < theirs.count(); ++i) nodes[theirs[i]] = all + (r * most + i) * n;
  }
  MergeLeaves(nodes, 0, BatchPart::kLeaves, join);
  return nodes[0];
}

// The arrays of this part's leaves, of `size` elements each, merged into those of its nodes.
// join(into, from, count) for any piece of two arrays.
template <class T, class Join>
void JoinPart(LeafArrays<T>& arrays, const BatchPart& part, int64_t size, const Join& join) {
  constexpr int64_t kPiece = 1 << 12, kWorthThreads = 1 << 15;
  const auto inside = [&](LeafArrays<T>& all, int64_t n) {
    MergeLeaves(all, part.first_leaf, part.last_leaf,
                [&](T* into, T* from) { join(into, from, n); });
  };
  const auto merged = std::ranges::count_if(arrays, [](const T* array) { return array; });
  if (size > kPiece)
    ParallelFor((size + kPiece - 1) / kPiece, size * merged >= kWorthThreads, [&](int64_t piece) {
      LeafArrays<T> all = arrays;
      for (T*& array : all)
        if (array) array += piece * kPiece;
      inside(all, std::min(kPiece, size - piece * kPiece));
    });
  inside(arrays, size > kPiece ? 0 : size);
}

// The same over all leaves of all ranks: gives the root, null where the mini-batch is empty. No
// reducer: this part is all there is.
template <class T, class Join>
T* JoinLeaves(LeafArrays<T> arrays, const BatchPart& part, Reducer* reducer, int64_t size,
              const Join& join) {
  JoinPart(arrays, part, size, join);
  if (!reducer || reducer->ranks() == 1) return arrays[0];
  return JoinRanks(arrays, part, *reducer, size, [&](T* into, T* from) { join(into, from, size); });
}

struct AddUp {
  template <class T>
  void operator()(T* __restrict into, const T* __restrict from, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) into[i] += from[i];
  }
};

template <class T>
void SumPart(LeafArrays<T>& arrays, const BatchPart& part, int64_t size) {
  JoinPart(arrays, part, size, AddUp());
}
template <class T>
T* SumLeaves(const LeafArrays<T>& arrays, const BatchPart& part, Reducer* reducer, int64_t size) {
  return JoinLeaves(arrays, part, reducer, size, AddUp());
}

}  // namespace normkit
