// How columns are cut: by shape alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>

#include "src/norm/cpu/nest.h"

namespace normkit::norm::cpu {

inline constexpr int64_t kBlockRows = 16;   // rows that f32 may add up
inline constexpr int64_t kShiftRows = 256;  // rows that share one shift
inline constexpr int64_t kMaxTaskColumns = 2048;
// Of the backward pass in element form, and of batch normalization of few rows.
inline constexpr int64_t kMaxStripColumns = 1024, kMinStripColumns = 64;
// Numbers of an array with one for each column of a strip. Not a multiple of 4 KiB: loads of
// neighbouring arrays would wait for each other's cache sets.
template <class R>
inline constexpr int64_t kStripRoom = kMaxStripColumns + static_cast<int64_t>(128 / sizeof(R));

// Rows of few columns leave most of a vector empty. As many of them, one behind the other, as are
// whole vectors on every target make a row of more columns, whose sums are those of the few once
// they are added up: how many, a power of two; 1 where that does not suit.
inline int64_t RowsJoined(const Nest& nest) {
  constexpr int64_t kMost = 64, kLeast = 16;  // columns of whole vectors, all of a tile or one
  constexpr int64_t kMostJoined = 512;        // columns whose sums are at hand
  const int64_t columns = nest.inner, rows = nest.reduced.size();
  const auto loops = nest.reduced.loops();
  const bool suits = nest.inner_kept && columns > 0 && columns < kMost && rows >= kMost &&
                     loops.size() == 1 && loops[0].stride == columns;
  if (!suits) return 1;
  int64_t joined = kMost / std::gcd(kMost, columns);
  while ((joined * columns > kMostJoined || joined * kBlockRows > rows) &&
         joined * columns / 2 % kLeast == 0)
    joined /= 2;
  return joined;
}

// Some columns over some rows of one unit.
struct ColumnTask {
  int64_t unit, chunk;
  int64_t first_row, last_row;
  int64_t first_column, last_column;
};

// Strips [first, last), of each the rows [first_row, last_row).
struct StripTask {
  int64_t first, last;
  int64_t first_row, last_row;
  bool fused;  // the statistics' sums of the gradient first: the task has all rows
};

// The columns of a unit are cut into strips, its rows into chunks.
class ColumnCut {
 public:
  // For sums: few strips, chunks that are merged at the end.
  static ColumnCut ForSums(const Nest& nest) {
    constexpr int64_t kMaxChunks = 64;
    const int64_t rows = nest.reduced.size(), whole = kShiftRows * RowsJoined(nest);
    const int64_t least = std::max(whole, (rows + kMaxChunks - 1) / kMaxChunks);
    return {nest, (least + whole - 1) / whole * whole, kMaxTaskColumns};
  }

  // For the backward pass in element form, and both passes of batch normalization of few rows:
  // strips that are summed and finished in the cache.
  static ColumnCut ForStrips(const Nest& nest) {
    constexpr uint64_t kElements = 1 << 15;
    const auto rows = static_cast<uint64_t>(std::max<int64_t>(1, nest.reduced.size()));
    const auto columns = static_cast<int64_t>(std::bit_floor(kElements / rows));
    return {nest, 1024, std::clamp(columns, kMinStripColumns, kMaxStripColumns)};
  }

  int64_t width() const { return width_; }
  int64_t rows() const { return rows_; }
  int64_t chunks() const { return chunks_; }
  int64_t chunk_begin(int64_t chunk) const { return std::min(chunk * chunk_rows_, rows_); }
  int64_t chunk_rows(int64_t chunk) const { return chunk_begin(chunk + 1) - chunk_begin(chunk); }
  int64_t strips() const { return units_ * unit_strips_; }
  // Of the widest strip.
  int64_t strip_columns() const { return std::min(width_, strip_columns_); }
  // All tasks, those of a unit in a row.
  int64_t unit_tasks() const { return chunks_ * unit_strips_; }
  int64_t size() const { return units_ * unit_tasks(); }
  // Of the largest task.
  int64_t task_elements() const { return chunk_rows(0) * strip_columns(); }

  ColumnTask Get(int64_t index) const {
    const int64_t strip = index % unit_strips_, chunk = index / unit_strips_ % chunks_;
    return Part(index / unit_tasks(), strip, chunk);
  }
  // Of strip `index` of all units, the rows of one chunk.
  ColumnTask Strip(int64_t index, int64_t chunk) const {
    return Part(index / unit_strips_, index % unit_strips_, chunk);
  }

 private:
  ColumnCut(const Nest& nest, int64_t chunk_rows, int64_t strip_columns)
      : rows_(nest.reduced.size()),
        width_(nest.inner),
        units_(nest.kept.size()),
        chunk_rows_(chunk_rows),
        strip_columns_(strip_columns),
        chunks_((rows_ + chunk_rows - 1) / chunk_rows),
        unit_strips_((width_ + strip_columns - 1) / strip_columns) {}

  ColumnTask Part(int64_t unit, int64_t strip, int64_t chunk) const {
    return {unit,
            chunk,
            chunk_begin(chunk),
            chunk_begin(chunk + 1),
            strip * strip_columns_,
            std::min((strip + 1) * strip_columns_, width_)};
  }

  int64_t rows_, width_, units_, chunk_rows_, strip_columns_, chunks_, unit_strips_;
};

}  // namespace normkit::norm::cpu
