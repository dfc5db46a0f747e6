// Numbers of the arithmetic's type as vectors of f64, and back.
#if defined(NORMKIT_WIDE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_WIDE_INL_H_
#undef NORMKIT_WIDE_INL_H_
#else
#define NORMKIT_WIDE_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

// As many numbers of the arithmetic's type as f64 has lanes, from and to memory.
using Wide = hn::ScalableTag<double>;
template <class R>
HWY_INLINE hn::Vec<Wide> ToWide(hn::Vec<hn::Rebind<R, Wide>> v) {
  if constexpr (std::is_same_v<R, double>)
    return v;
  else
    return hn::PromoteTo(Wide(), v);
}
template <class R>
HWY_INLINE hn::Vec<Wide> LoadWide(const R* x) {
  return ToWide<R>(hn::LoadU(hn::Rebind<R, Wide>(), x));
}
// Gives what was stored.
template <class R>
HWY_INLINE hn::Vec<Wide> StoreNarrow(hn::Vec<Wide> v, R* to) {
  const hn::Rebind<R, Wide> d;
  if constexpr (std::is_same_v<R, double>) {
    hn::StoreU(v, d, to);
    return v;
  } else {
#if HWY_TARGET == HWY_SCALAR  // DemoteTo has no infinity there
    const auto narrow = hn::Set(d, static_cast<R>(hn::GetLane(v)));
#else
    const auto narrow = hn::DemoteTo(d, v);
#endif
    hn::StoreU(narrow, d, to);
    return hn::PromoteTo(Wide(), narrow);
  }
}
inline constexpr auto kWideLanes = static_cast<int64_t>(hn::MaxLanes(Wide()));

// Vectors of channels whose coefficients registers hold: loads from the L1 cache are in the way of
// what comes from memory (5 % of a pass with one thread).
inline constexpr int64_t kHeldVectors = 4;
inline constexpr bool kHoldsRows = HWY_TARGET <= HWY_AVX3;  // of 32 registers
template <class T>
inline constexpr int64_t kHeldElements = kHeldVectors* static_cast<int64_t>(hn::MaxLanes(Tag<T>()));

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_WIDE_INL_H_
