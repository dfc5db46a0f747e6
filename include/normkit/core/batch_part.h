// How the observations of a mini-batch are cut: into the leaves of one tree, and those among ranks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace normkit {

// A run of leaves of a mini-batch of `whole` observations. All that is added up over observations
// (gradients, moments, losses) is added up leaf by leaf, and leaves are merged pairwise, as a
// binary tree by their index: the bits depend on the mini-batch, not on who computes which leaves.
struct BatchPart {
  static constexpr int kLeaves = 16;

  int64_t whole = 0;
  int first_leaf = 0, last_leaf = kLeaves;  // [first_leaf, last_leaf)

  // That of one of so many ranks; of more than kLeaves some have none.
  static BatchPart OfRank(int64_t whole, int rank, int ranks) {
    return {whole, rank * kLeaves / ranks, (rank + 1) * kLeaves / ranks};
  }

  // Where the observations of a leaf begin, and those of the leaf before end.
  int64_t leaf_begin(int leaf) const { return leaf * whole / kLeaves; }
  int64_t begin() const { return leaf_begin(first_leaf); }
  int64_t size() const { return leaf_begin(last_leaf) - begin(); }
  // Of arrays that hold it. A rank without observations computes one that counts for nothing: it
  // waits for the others in the same places.
  int64_t rows() const { return std::max<int64_t>(1, size()); }
  bool is_whole() const { return first_leaf == 0 && last_leaf == kLeaves; }
  bool operator==(const BatchPart&) const = default;
};

}  // namespace normkit
