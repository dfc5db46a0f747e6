#include "src/data/pieces.h"

#include <algorithm>

namespace normkit {
namespace {

bool CutsRight(PaddingDirection direction) { return direction == PaddingDirection::kRight; }

void AddPieces(size_t sequence, int64_t whole, int64_t length, PaddingDirection direction,
               std::vector<Piece>& pieces) {
  const int64_t first = CutsRight(direction) ? 0 : whole % length;
  if (first > 0) pieces.push_back({sequence, 0, first});
  for (int64_t at = first; at < whole; at += length)
    pieces.push_back({sequence, at, std::min(length, whole - at)});
}

}  // namespace

std::vector<Piece> PiecesOf(std::span<const int64_t> lengths, int64_t sequence_length,
                            PaddingDirection direction) {
  std::vector<Piece> pieces;
  const int64_t least = lengths.empty() ? 0 : std::ranges::min(lengths);
  for (size_t i = 0; i < lengths.size(); ++i) {
    const int64_t whole = lengths[i];
    if (sequence_length == OpenOptions::kLongest)
      pieces.push_back({i, 0, whole});
    else if (sequence_length == OpenOptions::kShortest)
      pieces.push_back({i, CutsRight(direction) ? 0 : whole - least, least});
    else
      AddPieces(i, whole, sequence_length, direction, pieces);
  }
  return pieces;
}

}  // namespace normkit
