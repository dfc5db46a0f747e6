// How reductions over columns are cut: by shape alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "src/norm/cpu/nest.h"

namespace normkit {

inline constexpr int64_t kColumnGroup = 16;    // rows that f32 may add up
inline constexpr int64_t kColumnChunk = 256;   // rows that share one shift
inline constexpr int64_t kColumnBlock = 2048;  // columns that one task takes at most
inline constexpr int64_t kMaxSlabs = 64;       // parts of the rows that are merged at the end

// Some columns over some rows of one unit.
struct ColumnTask {
  int64_t unit;
  int64_t first_row, last_row;
  int64_t first_column, last_column;
  int64_t slab;  // which part of the rows
};

class ColumnTasks {
 public:
  explicit ColumnTasks(const Nest& nest)
      : rows_(nest.reduced.size()), width_(nest.inner), units_(nest.kept.size()) {
    const int64_t least = std::max(kColumnChunk, (rows_ + kMaxSlabs - 1) / kMaxSlabs);
    slab_rows_ = (least + kColumnChunk - 1) / kColumnChunk * kColumnChunk;
    slabs_ = (rows_ + slab_rows_ - 1) / slab_rows_;
    blocks_ = (width_ + kColumnBlock - 1) / kColumnBlock;
  }

  int64_t slabs() const { return slabs_; }
  int64_t slab_rows(int64_t slab) const { return std::min(slab_rows_, rows_ - slab * slab_rows_); }
  int64_t width() const { return width_; }
  int64_t per_unit() const { return slabs_ * blocks_; }
  int64_t size() const { return units_ * per_unit(); }

  ColumnTask Get(int64_t index) const {
    const int64_t block = index % blocks_, slab = index / blocks_ % slabs_;
    return {index / per_unit(),
            slab * slab_rows_,
            std::min((slab + 1) * slab_rows_, rows_),
            block * kColumnBlock,
            std::min((block + 1) * kColumnBlock, width_),
            slab};
  }

 private:
  int64_t rows_, width_, units_, slab_rows_, slabs_, blocks_;
};

}  // namespace normkit
