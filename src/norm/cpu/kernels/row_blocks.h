// How the runs of one unit are cut into blocks and chunks: by shape alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "src/norm/cpu/nest.h"

namespace normkit::norm::cpu {

// Part of one run, or several whole short runs, each of `length` elements.
struct Block {
  int64_t first_run, runs, offset, length;
};

// What becomes of runs that do not fill a block.
enum class ShortRuns {
  kApart,     // a block each
  kTogether,  // some to a block, each from the first lane on
  kPacked,    // the same, but those shorter than the lanes lie in a row: their errors average out
};

// A block is what f32 lanes may add up, kMostAdditions numbers each; a chunk is a number of blocks
// in a row, whose sums are merged with those of others in order.
class RowBlocks {
 public:
  static constexpr int64_t kBlock = 1024;
  static constexpr int64_t kMostAdditions = 32;  // a block over 32 lanes
  static constexpr int64_t kChunkBlocks = 64;

  explicit RowBlocks(const Nest& nest, ShortRuns short_runs = ShortRuns::kPacked)
      : runs_(&nest.reduced), length_(nest.inner_kept ? 1 : nest.inner) {
    packed_ = short_runs == ShortRuns::kPacked && length_ < kMostAdditions && runs_->size() > 1;
    if (length_ >= kBlock) {
      per_run_ = (length_ + kBlock - 1) / kBlock;
      num_blocks_ = per_run_ * runs_->size();
    } else {
      const int64_t fit = kBlock / std::max<int64_t>(1, length_);
      // Runs shorter than the lanes leave some idle, and the others add once for each run.
      if (short_runs != ShortRuns::kApart) joined_ = packed_ ? fit : std::min(kMostAdditions, fit);
      num_blocks_ = (runs_->size() + joined_ - 1) / joined_;
    }
  }

  bool packed() const { return packed_; }
  int64_t num_blocks() const { return num_blocks_; }
  int64_t chunk_begin(int64_t chunk) const { return std::min(chunk * kChunkBlocks, num_blocks_); }
  int64_t num_chunks() const { return (num_blocks_ + kChunkBlocks - 1) / kChunkBlocks; }

  Block Get(int64_t index) const {
    if (per_run_ == 1) return {index, 1, 0, length_};
    if (per_run_ > 1) {
      const int64_t offset = index % per_run_ * kBlock;
      return {index / per_run_, 1, offset, std::min(kBlock, length_ - offset)};
    }
    const int64_t first = index * joined_;
    return {first, std::min(joined_, runs_->size() - first), 0, length_};
  }
  // Of the k-th run of a block, from the start of the unit.
  int64_t Offset(const Block& block, int64_t k) const {
    return runs_->Offset(block.first_run + k) + block.offset;
  }

 private:
  const Loops* runs_;  // of a nest that lives longer
  int64_t length_, num_blocks_ = 0;
  int64_t per_run_ = 0;  // blocks of one long run; 0: short ones, `joined_` to a block
  int64_t joined_ = 1;
  bool packed_ = false;
};

}  // namespace normkit::norm::cpu
