// How the backward pass of columns in element form is cut: by shape alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "src/norm/cpu/nest.h"

namespace normkit {

// Neighbouring columns of one unit, over all its rows: what is summed and finished in the cache.
struct ColumnPiece {
  int64_t unit;
  int64_t first_column, last_column;
};

// Pieces [first_piece, last_piece), of each the rows [first_row, last_row).
struct ColumnSpan {
  int64_t first_piece, last_piece;
  int64_t first_row, last_row;
  bool gather;  // the statistics' sums of the gradient first: the span has all rows
};

class ColumnPieces {
 public:
  static constexpr int64_t kMaxColumns = 1024, kMinColumns = 64;
  static constexpr int64_t kSlabRows = 1024;  // rows whose sums one task takes at most

  explicit ColumnPieces(const Nest& nest)
      : rows_(nest.reduced.size()), width_(nest.inner), units_(nest.kept.size()) {
    constexpr uint64_t kElements = 1 << 15;
    const uint64_t columns =
        std::bit_floor(kElements / static_cast<uint64_t>(std::max<int64_t>(1, rows_)));
    columns_ = std::clamp(static_cast<int64_t>(columns), kMinColumns, kMaxColumns);
    per_unit_ = (width_ + columns_ - 1) / columns_;
  }

  int64_t size() const { return units_ * per_unit_; }
  int64_t rows() const { return rows_; }
  // Of the widest piece.
  int64_t elements() const { return rows_ * std::min(width_, columns_); }
  int64_t slabs() const { return (rows_ + kSlabRows - 1) / kSlabRows; }
  int64_t slab_begin(int64_t slab) const { return std::min(slab * kSlabRows, rows_); }
  // Pieces whose sums of a row the lanes of f32 may take.
  int64_t per_flush() const {
    return std::max<int64_t>(1, kMaxColumns / std::min(width_, columns_));
  }

  ColumnPiece Get(int64_t index) const {
    const int64_t first = index % per_unit_ * columns_;
    return {index / per_unit_, first, std::min(first + columns_, width_)};
  }

 private:
  int64_t rows_, width_, units_, columns_, per_unit_;
};

}  // namespace normkit
