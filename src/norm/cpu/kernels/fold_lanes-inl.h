// Lanes of sums, down to one number.
#if defined(NORMKIT_FOLD_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FOLD_LANES_INL_H_
#undef NORMKIT_FOLD_LANES_INL_H_
#else
#define NORMKIT_FOLD_LANES_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

// Sums run over this many lanes whatever the width of a vector, so that every target has the same
// bits: 128 bytes are two vectors of AVX-512, enough to hide the latency of an addition.
template <class R>
inline constexpr size_t kLanes = 128 / sizeof(R);

// The sum of a vector's lanes: upper half onto lower half, down to one.
template <class D>
HWY_INLINE hn::TFromD<D> FoldVector(D, hn::Vec<D> v) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> half;
    return FoldVector(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
#endif
  return hn::GetLane(v);
}

// The lanes in one vector of f64: upper half onto lower half.
template <class R>
HWY_INLINE hn::Vec<hn::ScalableTag<double>> FoldToVector(const R* HWY_RESTRICT lanes) {
  using D = hn::ScalableTag<double>;
  const D d;
  constexpr size_t kWidth = hn::MaxLanes(D()), kVectors = kLanes<R> / kWidth;
  hn::Vec<D> sums[kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    if constexpr (std::is_same_v<R, double>)
      sums[v] = hn::Load(d, lanes + v * kWidth);
    else
      sums[v] = hn::PromoteTo(d, hn::Load(hn::Rebind<R, D>(), lanes + v * kWidth));
  }
  HWY_UNROLL(8)
  for (size_t count = kVectors / 2; count >= 1; count /= 2) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < count; ++v) sums[v] = hn::Add(sums[v], sums[v + count]);
  }
  return sums[0];
}
// In one f64: down to one lane, which any vector width can keep.
template <class R>
HWY_INLINE double FoldLanes(const R* HWY_RESTRICT lanes) {
  return FoldVector(hn::ScalableTag<double>(), FoldToVector(lanes));
}

// Whether sums of several units are folded side by side: one by one everywhere else, to the same
// bits.
template <class R>
inline constexpr bool kFoldsTogether = HWY_TARGET <= HWY_AVX2 && sizeof(R) == 4;

// The sums of the lanes of as many vectors as a vector has lanes, each as FoldVector adds it up.
// Of vectors in the order of kRowsOfFold.
#if HWY_TARGET <= HWY_AVX3
inline constexpr size_t kRowsOfFold[] = {0, 4, 2, 6, 1, 5, 3, 7};
#else
inline constexpr size_t kRowsOfFold[] = {0, 2, 1, 3};
#endif
#if HWY_TARGET <= HWY_AVX2
template <class D, class V>
HWY_INLINE V AddHalves(D d, V a, V b) {
  return hn::Add(hn::ConcatLowerLower(d, b, a), hn::ConcatUpperUpper(d, b, a));
}
// Within blocks of two.
template <class D, class V>
HWY_INLINE V AddPairs(D d, V a, V b) {
  return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
}
template <class D, class V>
HWY_INLINE V FoldVectors(D d, const V* v) {
#if HWY_TARGET <= HWY_AVX3
  const auto quarters = [&](V a, V b) HWY_ATTR {  // blocks of a and b by turns
    return hn::Add(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a),
                   hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a)));
  };
  return AddPairs(d, quarters(AddHalves(d, v[0], v[1]), AddHalves(d, v[2], v[3])),
                  quarters(AddHalves(d, v[4], v[5]), AddHalves(d, v[6], v[7])));
#else
  return AddPairs(d, AddHalves(d, v[0], v[1]), AddHalves(d, v[2], v[3]));
#endif
}

// FoldVector of `count` vectors that lie one behind the other.
HWY_INLINE void FoldAllRows(const double* HWY_RESTRICT rows, int64_t count,
                            double* HWY_RESTRICT sums) {
  using D = hn::ScalableTag<double>;
  const D d;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  for (int64_t first = 0; first < count; first += kWidth) {
    hn::Vec<D> v[kWidth];
    for (int64_t i = 0; i < kWidth; ++i) {
      const auto row = std::min(first + static_cast<int64_t>(kRowsOfFold[i]), count - 1);
      v[i] = hn::Load(d, rows + row * kWidth);
    }
    hn::StoreU(FoldVectors(d, v), d, sums + first);
  }
}
// A function of its own: three times in line it would be half of its callers' text. Not of const
// rows: GCC takes those for never written.
inline HWY_NOINLINE void FoldRows(double* HWY_RESTRICT rows, int64_t count,
                                  double* HWY_RESTRICT sums) {
  FoldAllRows(rows, count, sums);
}
#endif

// Whether vectors of T are taken by twos, of even and of odd places.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
template <class T>
inline constexpr bool kPaired = std::is_same_v<T, BFloat16>;

// FoldLanes of lanes by twos: f64 has half as many in a vector.
HWY_INLINE double FoldPairs(const float* HWY_RESTRICT lanes) {
  using D = hn::ScalableTag<double>;
  const D d;
  const auto sum = [&](const float* of) HWY_ATTR {
    constexpr size_t kWidth = hn::MaxLanes(D()), kNext = 4 * kWidth;
    const auto at = [&](size_t i) HWY_ATTR {
      return hn::PromoteTo(d, hn::Load(hn::Rebind<float, D>(), of + i));
    };
    if constexpr (kNext == kLanes<float>) return FoldVector(d, hn::Add(at(0), at(kWidth)));
    return FoldVector(d,
                      hn::Add(hn::Add(at(0), at(kNext)), hn::Add(at(kWidth), at(kWidth + kNext))));
  };
  return sum(lanes) + sum(lanes + 2 * hn::MaxLanes(D()));
}
#else
template <class T>
inline constexpr bool kPaired = false;
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FOLD_LANES_INL_H_
