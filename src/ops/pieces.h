// Work on arrays cut into pieces by size alone, so that the bits are the same for any number of
// threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "normkit/core/layout.h"
#include "src/core/parallel.h"

namespace normkit::ops {

// Work is cut into pieces of this many elements, and threads woken from kParallelElements on.
inline constexpr int64_t kPieceElements = 1 << 14;
inline constexpr int64_t kParallelElements = 1 << 15;

// [B, pixels, C] of a layout [B, space, C].
struct Pixels {
  int64_t batch, pixels, channels;
  explicit Pixels(const Layout& x)
      : batch(x.axes().front().size),
        pixels(x.size() / batch / x.axes().back().size),
        channels(x.axes().back().size) {}
  int64_t observation() const { return pixels * channels; }
};

// Calls body(begin, end) on pieces of [0, size).
template <class Body>
void ForPieces(int64_t size, const Body& body) {
  const int64_t pieces = (size + kPieceElements - 1) / kPieceElements;
  ParallelFor(pieces, size >= kParallelElements, [&](int64_t piece) {
    body(piece * kPieceElements, std::min(size, (piece + 1) * kPieceElements));
  });
}

// Calls body(row) for each row of a [rows, row_size] array.
template <class Body>
void ForRowPieces(int64_t rows, int64_t row_size, const Body& body) {
  const int64_t in_piece = std::max<int64_t>(1, kPieceElements / row_size);
  ParallelFor((rows + in_piece - 1) / in_piece, rows * row_size >= kParallelElements,
              [&](int64_t piece) {
                const int64_t end = std::min(rows, (piece + 1) * in_piece);
                for (int64_t row = piece * in_piece; row < end; ++row) body(row);
              });
}

// to[i] = value(i), or += value(i), which may read to[i]: "simd" says to compilers that nothing is
// read which another i writes, as __restrict would, and leaves that open.
template <class Function>
void Store(float* to, int64_t begin, int64_t end, bool add, const Function& value) {
  if (add) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] += value(i);
  } else {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] = value(i);
  }
}

}  // namespace normkit::ops
