// Weights to the points of a tile, and their gradient back.
#if defined(NORMKIT_WINOGRAD_WEIGHTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_WINOGRAD_WEIGHTS_INL_H_
#undef NORMKIT_WINOGRAD_WEIGHTS_INL_H_
#else
#define NORMKIT_WINOGRAD_WEIGHTS_INL_H_
#endif

#include <hwy/highway.h>

#include "src/winograd/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::winograd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kPanel>;
using Vec = hn::Vec<D>;
HWY_INLINE int64_t Lanes() { return static_cast<int64_t>(hn::Lanes(D())); }

// Three taps at the four points: G of F(2, 3).
HWY_INLINE void TapsToPoints(const Vec* g, Vec* u) {
  const Vec half = hn::Set(D(), 0.5f), outer = hn::Mul(hn::Add(g[0], g[2]), half),
            middle = hn::Mul(g[1], half);
  u[0] = g[0];
  u[1] = hn::Add(outer, middle);
  u[2] = hn::Sub(outer, middle);
  u[3] = g[2];
}

// G^T.
HWY_INLINE void PointsToTaps(const Vec* s, Vec* g) {
  const Vec half = hn::Set(D(), 0.5f);
  const Vec sum = hn::Mul(hn::Add(s[1], s[2]), half);
  g[0] = hn::Add(s[0], sum);
  g[1] = hn::Mul(hn::Sub(s[1], s[2]), half);
  g[2] = hn::Add(sum, s[3]);
}

// The taps of one row and the kPanel columns of a panel: [kTaps][kPanel].
HWY_INLINE void GatherTaps(const WeightOrder& order, const float* weights, int64_t row,
                           int64_t panel, float* taps) {
  for (int64_t lane = 0; lane < kPanel; ++lane) {
    const int64_t column = panel * kPanel + lane;
    const float* from =
        weights + kTaps * (order.turned ? row * order.columns + column : column * order.rows + row);
    for (int64_t k = 0; k < kTaps; ++k)
      taps[(order.turned ? kTaps - 1 - k : k) * kPanel + lane] = from[k];
  }
}

HWY_NOINLINE void TransformWeights(const WeightOrder& order, const float* weights, int64_t first,
                                   int64_t last, float* u) {
  const D d;
  const int64_t stride = PointStride(order.rows * order.columns);
  HWY_ALIGN float taps[kTaps * kPanel];
  for (int64_t panel = 0; panel < order.columns / kPanel; ++panel) {
    for (int64_t row = first; row < last; ++row) {
      GatherTaps(order, weights, row, panel, taps);
      float* to = u + (panel * order.rows + row) * kPanel;
      for (int64_t lane = 0; lane < kPanel; lane += Lanes()) {
        Vec half[3][4], columns[3], points[4];
        for (int i = 0; i < 3; ++i) {
          Vec g[3];
          for (int j = 0; j < 3; ++j) g[j] = hn::LoadU(d, taps + (i * 3 + j) * kPanel + lane);
          TapsToPoints(g, half[i]);
        }
        for (int j = 0; j < 4; ++j) {
          for (int i = 0; i < 3; ++i) columns[i] = half[i][j];
          TapsToPoints(columns, points);
          for (int i = 0; i < 4; ++i) hn::StoreU(points[i], d, to + (i * 4 + j) * stride + lane);
        }
      }
    }
  }
}

HWY_NOINLINE void FinishWeights(const Job& job, const float* du, float* dw) {
  const D d;
  const int64_t size = job.channels * job.filters, stride = PointStride(size);
  for (int64_t at = 0; at < size; at += Lanes()) {
    Vec half[4][3], columns[4], taps[3];
    for (int i = 0; i < 4; ++i) {
      Vec s[4];
      for (int j = 0; j < 4; ++j) s[j] = hn::LoadU(d, du + (i * 4 + j) * stride + at);
      PointsToTaps(s, half[i]);
    }
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 4; ++i) columns[i] = half[i][j];
      PointsToTaps(columns, taps);
      for (int i = 0; i < 3; ++i) hn::StoreU(taps[i], d, dw + (i * 3 + j) * size + at);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::winograd
HWY_AFTER_NAMESPACE();

#endif
