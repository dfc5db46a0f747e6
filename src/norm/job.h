// One call of one normalization, as the kernels see it.
#pragma once

#include "normkit/core/moments.h"
#include "src/norm/geometry.h"

namespace normkit {

struct Job {
  const Geometry* geometry;
  bool center;
  bool relu;
  bool stream;  // store past the caches
  double epsilon;
  const void* x;
  void* y;
  const void* gamma;  // of the parameters' type, never null
  const void* beta;
  double* mean;
  double* rstd;
  double* variance;  // null: not wanted

  // The coefficients of every cell (cell form with vectors) or every statistic (element form with
  // vectors), of the arithmetic's type, as the kernels lay them out; null where runs share theirs.
  void* table;

  // Backward only.
  const void* dy = nullptr;
  void* dx = nullptr;
  bool accumulate = false;
  double* mean_w = nullptr;  // E[w] and E[w * xhat] of every statistic
  double* mean_w_xhat = nullptr;
  double* cell_dy = nullptr;  // sums of dy and dy * (x - hi) of every cell (cell form)
  double* cell_dy_x = nullptr;
};

// The mean of a statistic as the two numbers that the kernels subtract: x - hi is exact where x is
// near the mean, and lo is what hi leaves out.
template <class R>
struct SplitMean {
  explicit SplitMean(double mean) : hi(static_cast<R>(mean)), lo(mean - static_cast<double>(hi)) {}
  R hi;
  double lo;
};

}  // namespace normkit
