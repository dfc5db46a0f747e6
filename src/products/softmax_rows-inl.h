// Rows of scores in vectors.
#if defined(NORMKIT_SOFTMAX_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_SOFTMAX_ROWS_INL_H_
#undef NORMKIT_SOFTMAX_ROWS_INL_H_
#else
#define NORMKIT_SOFTMAX_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <limits>

#include "src/products/softmax_rows.h"
#include "src/simd/exponential-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::products {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ScoreD = hn::ScalableTag<float>;
using ScoreVec = hn::Vec<ScoreD>;
inline constexpr int64_t kScoreLanes = hn::MaxLanes(ScoreD());
inline constexpr int64_t kPartial = 16;  // sums of a row
static_assert(kPartial % kScoreLanes == 0);

// f(vector of x, its place among the partial sums) -> what goes over it; behind the end stand
// `rest`.
template <class F>
HWY_INLINE void MapRow(float* x, int64_t n, float rest, const F& f) {
  const ScoreD d;
  int64_t i = 0;
  for (; i + kPartial <= n; i += kPartial)
    for (int64_t v = 0; v < kPartial; v += kScoreLanes)
      hn::StoreU(f(hn::LoadU(d, x + i + v), v / kScoreLanes), d, x + i + v);
  if (i == n) return;
  HWY_ALIGN float end[kPartial];
  std::fill(std::copy(x + i, x + n, end), end + kPartial, rest);
  for (int64_t v = 0; v < kPartial; v += kScoreLanes)
    hn::Store(f(hn::Load(d, end + v), v / kScoreLanes), d, end + v);
  std::copy(end, end + (n - i), x + i);
}

HWY_INLINE float SumOf(const ScoreVec (&sums)[kPartial / kScoreLanes]) {
  HWY_ALIGN float all[kPartial];
  for (int64_t v = 0; v < kPartial / kScoreLanes; ++v)
    hn::Store(sums[v], ScoreD(), all + v * kScoreLanes);
  for (int64_t half = kPartial / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i) all[i] += all[i + half];
  return all[0];
}

HWY_INLINE ScoreVec ExpOrNaN(ScoreVec x) {
  return hn::IfThenElse(hn::Eq(x, x), simd::HWY_NAMESPACE::Exp(ScoreD(), x), x);
}

HWY_NOINLINE float Exponentials(float* x, int64_t n, float scale, float* largest) {
  const ScoreD d;
  float most = -std::numeric_limits<float>::infinity();
  {
    ScoreVec top = hn::Set(d, most);
    MapRow(x, n, most, [&](ScoreVec value, int64_t) {
      top = hn::Max(top, value);
      return value;
    });
    most = hn::GetLane(hn::MaxOfLanes(d, top));
  }
  *largest = most;
  const ScoreVec first = hn::Set(d, most), factor = hn::Set(d, scale);
  ScoreVec sums[kPartial / kScoreLanes];
  for (ScoreVec& sum : sums) sum = hn::Zero(d);
  MapRow(x, n, -std::numeric_limits<float>::infinity(), [&](ScoreVec value, int64_t v) {
    const ScoreVec e = ExpOrNaN(hn::Mul(factor, hn::Sub(value, first)));
    sums[v] = hn::Add(sums[v], e);
    return e;
  });
  return SumOf(sums);
}

HWY_NOINLINE void Weights(float* x, int64_t n, float scale, float largest, float factor) {
  const ScoreD d;
  const ScoreVec first = hn::Set(d, largest), by = hn::Set(d, scale), times = hn::Set(d, factor);
  MapRow(x, n, largest, [&](ScoreVec value, int64_t) {
    return hn::Mul(ExpOrNaN(hn::Mul(by, hn::Sub(value, first))), times);
  });
}

HWY_NOINLINE float Dot(const float* a, const float* b, int64_t n) {
  const ScoreD d;
  ScoreVec sums[kPartial / kScoreLanes];
  for (ScoreVec& sum : sums) sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kPartial <= n; i += kPartial)
    for (int64_t v = 0; v < kPartial / kScoreLanes; ++v)
      sums[v] = hn::MulAdd(hn::LoadU(d, a + i + v * kScoreLanes),
                           hn::LoadU(d, b + i + v * kScoreLanes), sums[v]);
  float sum = SumOf(sums);
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

HWY_NOINLINE void Gradients(const float* w, float* dw, int64_t n, float mean, float scale) {
  const ScoreD d;
  const ScoreVec m = hn::Set(d, mean), s = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + kScoreLanes <= n; i += kScoreLanes)
    hn::StoreU(hn::Mul(hn::Mul(hn::Sub(hn::LoadU(d, dw + i), m), hn::LoadU(d, w + i)), s), d,
               dw + i);
  for (; i < n; ++i) dw[i] = (dw[i] - mean) * w[i] * scale;
}

HWY_NOINLINE void ScaleAll(float* x, int64_t n, float factor) {
  const ScoreD d;
  const ScoreVec f = hn::Set(d, factor);
  int64_t i = 0;
  for (; i + kScoreLanes <= n; i += kScoreLanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), f), d, x + i);
  for (; i < n; ++i) x[i] *= factor;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::products
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_SOFTMAX_ROWS_INL_H_
