// Sequences cut to a length.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/data/source.h"

namespace normkit {

// What of a sequence becomes one of its own: some of its rows.
struct Piece {
  size_t sequence;
  int64_t begin, length;  // rows of the sequence
};

// `sequence_length` as in OpenOptions: kLongest, kShortest or steps. Cut at the end where padding
// is: on the right, sequences begin where they begin.
std::vector<Piece> PiecesOf(std::span<const int64_t> lengths, int64_t sequence_length,
                            PaddingDirection direction);

}  // namespace normkit
