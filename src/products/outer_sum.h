// Sums of outer products over few observations, by their tree: what the gradient of the weights of
// a matrix product is for small mini-batches.
#pragma once

#include <array>
#include <cstdint>

#include "src/core/batch_tree.h"

namespace normkit::products {

// The leaves of one node of the tree that have rows, in order, and how many nodes end with each:
// after a leaf's own sum come so many additions to the sum that was kept last.
class LeafOrder {
 public:
  struct Leaf {
    int64_t rows;
    int merges;
  };
  LeafOrder(const LeafCut& cut, int first, int leaves)
      : first_row_(cut.begin_of(first)), rows_(cut.begin_of(first + leaves) - first_row_) {
    Add(cut, first, leaves);
  }

  const Leaf* begin() const { return leaves_.data(); }
  const Leaf* end() const { return begin() + count_; }
  int64_t first_row() const { return first_row_; }
  int64_t rows() const { return rows_; }

 private:
  // Whether there are any.
  bool Add(const LeafCut& cut, int first, int leaves) {
    const int64_t rows = cut.begin_of(first + leaves) - cut.begin_of(first);
    if (rows == 0) return false;
    if (leaves == 1) {
      leaves_[count_++] = {rows, 0};
      return true;
    }
    const bool left = Add(cut, first, leaves / 2), right = Add(cut, first + leaves / 2, leaves / 2);
    if (left && right) ++leaves_[count_ - 1].merges;
    return true;
  }

  int64_t first_row_, rows_;
  size_t count_ = 0;
  std::array<Leaf, BatchPart::kLeaves> leaves_{};
};

// A rectangle of weights [O, I]: outputs [o, o + rows), inputs [i, i + columns).
struct Tile {
  int64_t o, i, rows, columns;
};

// x [B, inputs], dy [B, outputs].
struct Operands {
  const float *x, *dy;
  int64_t inputs, outputs;
};

// dw[r, c] = the sum over the node's rows b of dy[b, o + r] * x[b, i + c], rows of dw `stride`
// apart. A leaf's products are added in the order of its rows, by fused multiply-adds where the
// target has them: the same bits on all that have.
void SumOuterProducts(const LeafOrder& order, const Operands& operands, const Tile& tile, float* dw,
                      int64_t stride);

}  // namespace normkit::products
