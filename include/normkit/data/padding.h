// Sequences as padded arrays, for what knows no others: files, and programs behind normkit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/data/source.h"

namespace normkit {

struct SequencePadding {
  // OpenOptions::kLongest: all are padded to the longest. kShortest: all are cut to the shortest.
  // N: each is cut into pieces of N steps, and the short one padded to N.
  int64_t sequence_length = OpenOptions::kLongest;
  // Where the padding is; and the end from which kShortest takes away, and at which the short piece
  // is.
  PaddingDirection direction = PaddingDirection::kRight;
  float value = 0;  // what stands in the padding; any, NaN and infinities too
};

struct PaddedSequences {
  std::vector<float> values = {};       // [sequences or pieces, steps, width]
  int64_t steps = 0;                    // of each, with its padding
  std::vector<int64_t> lengths = {};    // of each, without
  std::vector<int64_t> sequences = {};  // which sequence each is, or is a piece of
};

// `rows` of sequences one behind the other, [offsets.back(), width]; `offsets` say where each
// begins and the last one ends, from 0. Throws Error where they contradict each other, a sequence
// has no row, a width or a length is below 1, or the array does not fit into memory.
NORMKIT_API PaddedSequences PadSequences(std::span<const float> rows,
                                         std::span<const int64_t> offsets, int64_t width,
                                         const SequencePadding& padding = {});

}  // namespace normkit
