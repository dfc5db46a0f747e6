// How the observations of a mini-batch are cut: into the leaves of one tree, and those among ranks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace normkit {

// A run of leaves of a mini-batch of `whole` observations. All that is added up over observations
// (gradients, moments, losses) is added up leaf by leaf, and leaves are merged pairwise, as a
// binary tree by their index: the bits depend on the mini-batch, not on who computes which leaves.
struct BatchPart {
  static constexpr int kLeaves = 16;

  int64_t whole = 0;
  int first_leaf = 0, last_leaf = kLeaves;  // [first_leaf, last_leaf)
  // Where the leaves begin and the last one ends, kLeaves + 1 numbers from 0 to whole that outlive
  // this: of rows, of which observations have different numbers (PackedTime). Null: alike.
  const int64_t* begins = nullptr;

  // That of one of so many ranks; of more than kLeaves some have none.
  static BatchPart OfRank(int64_t whole, int rank, int ranks, const int64_t* begins = nullptr) {
    return {whole, rank * kLeaves / ranks, (rank + 1) * kLeaves / ranks, begins};
  }

  // Where the observations of a leaf begin, and those of the leaf before end.
  int64_t leaf_begin(int leaf) const { return begins ? begins[leaf] : leaf * whole / kLeaves; }
  int64_t begin() const { return leaf_begin(first_leaf); }
  int64_t size() const { return leaf_begin(last_leaf) - begin(); }
  // Of arrays that hold it. A rank without observations computes one that counts for nothing: it
  // waits for the others in the same places.
  int64_t rows() const { return std::max<int64_t>(1, size()); }
  bool is_whole() const { return first_leaf == 0 && last_leaf == kLeaves; }
  bool operator==(const BatchPart&) const = default;
};

// A part of a mini-batch of sequences. An array whose first axis is time, T, holds their rows
// packed: all rows of the first observation of the part, then those of the second, as many as each
// has, nothing between them. One whose first axis is B has a row for each observation.
struct PackedTime {
  // Of all rows of the mini-batch, cut where its observations are: leaf k has the rows of those of
  // leaf k of the observations.
  BatchPart rows = {};
  // Where each observation of this part begins among its rows and the last one ends, from 0;
  // empty: it has none.
  std::span<const int64_t> offsets = {};
};

}  // namespace normkit
