// Moments of weighted elements, block by block: what src/norm/weighted.cc is made of.
#pragma once

#include <cstdint>

#include "normkit/core/dtype.h"

namespace normkit::norm::cpu {

// Some runs of x, and a weight for each run or for each element of it.
struct WeightedBlock {
  const void* x;
  int64_t x_pitch;  // elements from one run to the next
  const float* weights;
  int64_t weight_pitch, weight_step;  // from run to run, and along one: 0 or 1
  int64_t runs, length;
};

// Moments of neighbours, as many as the arrays are long, with what rounding took of each; zeros
// before anything is added. As one array: n, its rest, mean, its rest, m2, its rest.
inline constexpr int64_t kWeightedArrays = 6;

// How large blocks may be: sums of one meet so many roundings that weighted_test.cc counts them.
inline constexpr int64_t kWeightedElements = 512;  // of one statistic, rows
inline constexpr int64_t kWeightedRuns = 16;       // of the same
inline constexpr int64_t kWeightedRows = 64;       // columns
inline constexpr int64_t kWeightedColumns = 128;

// Adds a block to the moments of one statistic, or, `by_columns`, to those of block.length
// neighbours; elements without weight enter nothing, whatever they are. Where not `center`, squares
// are those of x. Of f32, f64 or bf16.
void AddWeighted(DType dtype, const WeightedBlock& block, bool by_columns, bool center,
                 double* moments);

// Adds the moments of as many others.
void MergeWeighted(const double* others, int64_t n, double* moments);

}  // namespace normkit::norm::cpu
