// How the runs of one unit are cut into blocks and chunks: by shape alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "src/norm/cpu/nest.h"

namespace normkit {

// `segments` pieces of `length` elements each: part of one run, or several whole short runs.
struct Block {
  int64_t first_segment, segments, offset, length;
};

// A block is what f32 lanes may add up, kMostAdditions numbers each; a chunk is what one task
// gathers.
class RowBlocks {
 public:
  static constexpr int64_t kBlock = 1024;
  static constexpr int64_t kMostAdditions = 32;  // a block over 32 lanes
  static constexpr int64_t kChunkBlocks = 64;

  explicit RowBlocks(const Nest& nest)
      : segments_(nest.reduced), length_(nest.inner_kept ? 1 : nest.inner) {
    if (length_ >= kBlock) {
      per_segment_ = (length_ + kBlock - 1) / kBlock;
      num_blocks_ = per_segment_ * segments_.size();
    } else {
      // Runs shorter than the lanes leave some idle, and the others add once for each run.
      group_ = std::min(kMostAdditions, kBlock / std::max<int64_t>(1, length_));
      num_blocks_ = (segments_.size() + group_ - 1) / group_;
    }
  }

  int64_t num_blocks() const { return num_blocks_; }
  int64_t num_chunks() const { return (num_blocks_ + kChunkBlocks - 1) / kChunkBlocks; }

  Block Get(int64_t index) const {
    if (per_segment_ == 1) return {index, 1, 0, length_};
    if (per_segment_ > 1) {
      const int64_t offset = index % per_segment_ * kBlock;
      return {index / per_segment_, 1, offset, std::min(kBlock, length_ - offset)};
    }
    const int64_t first = index * group_;
    return {first, std::min(group_, segments_.size() - first), 0, length_};
  }
  // Of the k-th segment of a block, from the start of the unit.
  int64_t Offset(const Block& block, int64_t k) const {
    return segments_.Offset(block.first_segment + k) + block.offset;
  }

 private:
  Loops segments_;
  int64_t length_, num_blocks_ = 0;
  int64_t per_segment_ = 0;  // blocks of one long segment; 0: short ones, `group_` to a block
  int64_t group_ = 1;
};

}  // namespace normkit
