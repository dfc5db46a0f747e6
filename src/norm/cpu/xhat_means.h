// What passes back through mean and rstd.
#pragma once

#include <algorithm>
#include <cstdint>

#include "src/norm/divisor.h"

namespace normkit::norm::cpu {

// The mean of a statistic as the two numbers that the kernels subtract: x - hi is exact where x is
// near the mean, and lo is what hi leaves out.
template <class R>
struct SplitMean {
  explicit SplitMean(double mean) : hi(static_cast<R>(mean)), lo(mean - static_cast<double>(hi)) {}
  R hi;
  double lo;
};

// Sums of dy and dy * (x - hi), as the kernels add them up, become those of dy and dy * xhat, of n
// neighbouring statistics. Pointers that the compiler knows to be apart: f64 in vectors. Inlined,
// so that these are those of the target that calls.
template <class R>
[[gnu::always_inline]] inline void XhatSums(int64_t n, const double* __restrict mean,
                                            const double* __restrict rstd,
                                            const double* __restrict sum,
                                            double* __restrict sum_x) {
  for (int64_t s = 0; s < n; ++s)
    sum_x[s] = rstd[s] * (sum_x[s] - SplitMean<R>(mean[s]).lo * sum[s]);
}

// The same of n sums of parts of one statistic.
template <class R>
[[gnu::always_inline]] inline void XhatSumsOfOne(int64_t n, double mean, double rstd,
                                                 const double* __restrict sum,
                                                 double* __restrict sum_x) {
  const double lo = SplitMean<R>(mean).lo;
  for (int64_t i = 0; i < n; ++i) sum_x[i] = rstd * (sum_x[i] - lo * sum[i]);
}

// To sums of dy - t and (dy - t) * (x - hi) over `rows` elements of n neighbouring statistics what
// they lack to those of dy and dy * (x - hi). It adds up exactly over whole statistics, whose
// x - hi are `rows` * lo together.
template <class R>
[[gnu::always_inline]] inline void AddCommonParts(int64_t n, double rows, const R* __restrict t,
                                                  const double* __restrict mean,
                                                  double* __restrict sum,
                                                  double* __restrict sum_x) {
  for (int64_t s = 0; s < n; ++s) {
    const double common = rows * static_cast<double>(t[s]);
    sum[s] += common;
    sum_x[s] += common * SplitMean<R>(mean[s]).lo;
  }
}

// What n cells that are statistics add to w and w * xhat.
template <class R>
[[gnu::always_inline]] inline void WeighCells(int64_t n, const R* __restrict gamma,
                                              const double* __restrict dy,
                                              const double* __restrict dy_x, double* __restrict w,
                                              double* __restrict w_xhat) {
  for (int64_t i = 0; i < n; ++i) {
    const auto weight = static_cast<double>(gamma[i]);
    w[i] += weight * dy[i];
    w_xhat[i] += weight * dy_x[i];
  }
}

// E[w] and E[w * xhat], w = gamma * dy, of neighbouring statistics. First they are sums; those of
// cells are of w * xhat, all others of w * (x - hi).
struct XhatMeans {
  double* w = nullptr;
  double* w_xhat = nullptr;
  int64_t begin = 0;  // the first statistic that they are of

  XhatMeans From(int64_t first) const { return {w + first - begin, w_xhat + first - begin, first}; }

  void Clear(int64_t n) const {
    std::fill_n(w, n, 0.0);
    std::fill_n(w_xhat, n, 0.0);
  }

  // Sums of w and w * (x - hi) of n statistics become those of w and w * xhat.
  template <class R>
  [[gnu::always_inline]] void ToXhat(int64_t n, const double* mean, const double* rstd) const {
    XhatSums<R>(n, mean, rstd, w, w_xhat);
  }

  // Sums become means: of `count` elements, those of w * xhat of `squares` (SquaresDivisor).
  [[gnu::always_inline]] void Divide(int64_t n, double count, double squares, bool center) const {
    Divide(n, count, squares, center, w, w_xhat);
  }

 private:
  [[gnu::always_inline]] static void Divide(int64_t n, double count, double squares, bool center,
                                            double* __restrict first, double* __restrict second) {
    for (int64_t s = 0; s < n; ++s) {
      first[s] = center ? first[s] / count : 0;
      second[s] /= squares;
    }
  }
};

}  // namespace normkit::norm::cpu
