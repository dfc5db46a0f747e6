// What one thread does, for each SIMD target (kernels-inl.h).
#pragma once

#include <cstdint>

namespace normkit::winograd {

inline constexpr int64_t kPoints = 16;  // of a 4x4 tile
inline constexpr int64_t kTaps = 9;     // of a 3x3 filter
inline constexpr int64_t kPanel = 16;   // channels that lie side by side in transformed weights
inline constexpr int64_t kBlock = 48;   // tiles that are worked on at a time

// x [B, height, width, channels] -> y [B, out_height, out_width, filters], channels multiples of
// kPanel. Tiles of 2x2 outputs are counted through the images, row by row.
struct Job {
  int64_t height, width, channels;
  int64_t out_height, out_width, filters;
  int64_t top, left;  // zeros before x

  int64_t tile_rows() const { return (out_height + 1) / 2; }
  int64_t tile_columns() const { return (out_width + 1) / 2; }
};

// Floats from one point to the next in an array of points: not a multiple of a page, for all of
// them are written in turns.
constexpr int64_t PointStride(int64_t size) { return size + 16; }
// Of an array of a block's tiles.
constexpr int64_t TileStride(int64_t channels) { return PointStride(kBlock * channels); }

// How weights [O, I, 3, 3] are read as [rows, columns, 3, 3]: as they are, or transposed and turned
// by 180 degrees, which is what gradients go through.
struct WeightOrder {
  int64_t rows, columns;
  bool turned;
};

struct Kernels {
  // Rows [first, last) of G w G^T: [kPoints][columns / kPanel][rows][kPanel].
  void (*transform_weights)(const WeightOrder& order, const float* weights, int64_t first,
                            int64_t last, float* u);
  // y of tiles [first, last), added to it or over it. `v` and `m` are arrays of a block.
  void (*convolve)(const Job& job, const float* x, const float* u, const float* bias, bool add,
                   int64_t first, int64_t last, float* v, float* m, float* y);
  // Adds what tiles [first, last) of x and dy give to the points of the weights' gradient.
  void (*add_products)(const Job& job, const float* x, const float* dy, int64_t first, int64_t last,
                       float* v, float* w, float* du);
  // G^T du G: [kTaps][channels][filters].
  void (*finish_weights)(const Job& job, const float* du, float* dw);
};

const Kernels& ChosenKernels();

}  // namespace normkit::winograd
