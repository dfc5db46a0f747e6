// Vectors of the arithmetic's type from and to every storage type.
#if defined(NORMKIT_LOAD_STORE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_LOAD_STORE_INL_H_
#undef NORMKIT_LOAD_STORE_INL_H_
#else
#define NORMKIT_LOAD_STORE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "normkit/core/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What arithmetic is done in, for storage type T.
template <class T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
template <class T>
using Tag = hn::ScalableTag<Real<T>>;
template <class T>
using Vector = hn::Vec<Tag<T>>;

// Conversions of f16 take 20 instructions and more where the processor has none for it: a function
// there, not a third of the library's text (table_SSE4_F16: 745 KB inlined).
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define NORMKIT_F16 HWY_INLINE
#else
#define NORMKIT_F16 HWY_NOINLINE
#endif

// 16-bit patterns as f32, exactly. By hand where the processor cannot: Highway's emulation knows no
// infinity.
template <class D>
using Bits16 = hn::Vec<hn::Rebind<uint16_t, D>>;

template <class D>
HWY_INLINE hn::Vec<D> Widen(D d, Bits16<D> half, const BFloat16*) {
  const hn::Rebind<uint32_t, D> d32;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, half)));
}

template <class D>
NORMKIT_F16 hn::Vec<D> Widen(D d, Bits16<D> half, const Float16*) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), half));
#else
  const hn::Rebind<uint32_t, D> d32;
  const hn::Rebind<int32_t, D> di;
  const auto bits = hn::PromoteTo(d32, half);
  const auto magnitude = hn::And(bits, hn::Set(d32, 0x7fff));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(d32, 0x8000)));
  const auto shifted = hn::ShiftLeft<13>(magnitude);
  const auto is_big = hn::BitCast(di, magnitude) > hn::Set(di, 0x7bff);  // infinity or NaN
  const auto is_small = hn::BitCast(di, magnitude) < hn::Set(di, 0x0400);
  const auto normal = hn::Add(shifted, hn::Set(d32, 0x38000000));
  const auto big = hn::Or(shifted, hn::Set(d32, 0x7f800000));
  const auto small =
      hn::BitCast(d32, hn::Mul(hn::ConvertTo(d, hn::BitCast(di, magnitude)), hn::Set(d, 0x1p-24f)));
  const auto result = hn::IfThenElse(hn::RebindMask(d32, is_big), big,
                                     hn::IfThenElse(hn::RebindMask(d32, is_small), small, normal));
  return hn::BitCast(d, hn::Or(sign, result));
#endif
}

// The names differ from Highway's Load and Store, which argument-dependent lookup would prefer, and
// which want aligned memory.
template <class D>
HWY_INLINE hn::Vec<D> LoadAny(D d, const hn::TFromD<D>* x) {
  return hn::LoadU(d, x);
}
template <class D, class T, HWY_IF_LANE_SIZE(T, 2)>
HWY_INLINE hn::Vec<D> LoadAny(D d, const T* x) {
  const hn::Rebind<uint16_t, D> d16;
  return Widen(d, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(x)), x);
}

// The first n < Lanes(d) elements, then zeros. Reads nothing beyond them.
template <class D, class T>
HWY_INLINE hn::Vec<D> LoadPartial(D d, const T* x, size_t n) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  if constexpr (sizeof(T) >= 4) return hn::MaskedLoad(hn::FirstN(d, n), d, x);
#endif
#if HWY_TARGET == HWY_AVX3
  if constexpr (sizeof(T) == 2) {
    const hn::Rebind<uint16_t, D> d16;
    const auto* bits = reinterpret_cast<const uint16_t*>(x);
    return Widen(d, hn::MaskedLoad(hn::FirstN(d16, n), d16, bits), x);
  }
#endif
  HWY_ALIGN T buffer[hn::MaxLanes(d)] = {};
  std::memcpy(buffer, x, n * sizeof(T));
  return LoadAny(d, buffer);
}

// The upper halves of all lanes.
template <class D32>
HWY_INLINE auto UpperHalves(D32, hn::Vec<D32> bits) {
#if HWY_TARGET == HWY_SCALAR
  return hn::TruncateTo(hn::Rebind<uint16_t, D32>(), hn::ShiftRight<16>(bits));
#else
  const hn::Repartition<uint16_t, D32> d16;
  const auto halves = hn::BitCast(d16, bits);
  return hn::LowerHalf(hn::Half<decltype(d16)>(), hn::ConcatOdd(d16, halves, halves));
#endif
}

// Which NaN there may be among numbers to round.
enum class Nans {
  kAny,
  kQuiet,  // of arithmetic, which gives no other
  kShort,  // none that has anything in its lower half
};

// Rounded to nearest even on the upper halves of lanes, by hand: Highway 1.0.3 truncates. A NaN
// keeps its upper half: with what has no lower half nothing can carry into the sign, others are not
// rounded.
template <class D, Nans kNans = Nans::kAny>
HWY_INLINE auto RoundToUpperHalves([[maybe_unused]] D d, hn::Vec<D> value) {
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::BitCast(d32, value);
  const auto up = hn::Set(d32, 0x8000), down = hn::Set(d32, 0x7fff);
#if HWY_TARGET == HWY_AVX2
  // A blend by the sign, where the last bit that stays is moved to.
  const auto odd = hn::MaskFromVec(hn::BitCast(d, hn::ShiftLeft<15>(bits)));
  const auto half = hn::BitCast(d32, hn::IfThenElse(odd, hn::BitCast(d, up), hn::BitCast(d, down)));
#else
  const auto half = hn::IfThenElse(hn::TestBit(bits, hn::Set(d32, 0x10000)), up, down);
#endif
  const auto rounded = hn::Add(bits, half);
  if constexpr (kNans == Nans::kShort) return rounded;
  // Not Ne: on AVX2 it says that NaN is equal to itself, and the last of them became -0.
  const auto is_number = hn::RebindMask(d32, hn::Eq(value, value));
#if HWY_TARGET == HWY_AVX2
  if constexpr (kNans == Nans::kQuiet) return hn::Add(bits, hn::IfThenElseZero(is_number, half));
#endif
  if constexpr (kNans == Nans::kQuiet) return hn::IfThenElse(is_number, rounded, bits);
  return hn::IfThenElse(is_number, rounded, hn::Or(bits, hn::Set(d32, 0x400000)));
}
// Numbers that meet those of T in arithmetic, so that what becomes of them is Nans::kShort where T
// is bf16: NaN without its lower half, which rounding takes from it, too.
template <class T>
HWY_INLINE Vector<T> WithShortNans(Vector<T> v) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const Tag<T> d;
    const hn::Rebind<uint32_t, Tag<T>> d32;
    const auto upper = hn::And(hn::BitCast(d32, v), hn::Set(d32, 0xffff0000));
    const auto quiet = hn::BitCast(d, hn::Or(upper, hn::Set(d32, 0x400000)));
    return hn::IfThenElse(hn::Eq(v, v), v, quiet);
  }
  return v;
}
template <class D>
HWY_INLINE auto Narrow(D d, hn::Vec<D> value, const BFloat16*) {
  return UpperHalves(hn::Rebind<uint32_t, D>(), RoundToUpperHalves(d, value));
}

// NaN keeps what fits of its bits, as processors do it.
template <class D>
NORMKIT_F16 auto Narrow([[maybe_unused]] D d, hn::Vec<D> value, const Float16*) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::Rebind<hwy::float16_t, D> half;
  return hn::BitCast(hn::Rebind<uint16_t, D>(), hn::DemoteTo(half, value));
#else
  const hn::Rebind<uint32_t, D> d32;
  const hn::Rebind<int32_t, D> di;
  const hn::Rebind<uint16_t, D> d16;
  const auto bits = hn::BitCast(d32, value);
  const auto magnitude = hn::And(bits, hn::Set(d32, 0x7fffffff));
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 0x8000));
  const auto order = hn::BitCast(di, magnitude);
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(d32, 1));
  // Rounds on 10 bits of the mantissa, then moves the exponent's bias from 127 to 15.
  const auto normal = hn::ShiftRight<13>(
      hn::Sub(hn::Add(hn::Add(magnitude, hn::Set(d32, 0xfff)), odd), hn::Set(d32, 0x38000000)));
  // Below 2^-14, adding 0.5 leaves the bits that stay, rounded to even.
  const auto shifted = hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5f));
  const auto small = hn::Sub(hn::BitCast(d32, shifted), hn::Set(d32, 0x3f000000));
  auto result = hn::IfThenElse(hn::RebindMask(d32, order < hn::Set(di, 0x38800000)), small, normal);
  result = hn::IfThenElse(hn::RebindMask(d32, order > hn::Set(di, 0x477fefff)),
                          hn::Set(d32, 0x7c00), result);
  const auto quiet =
      hn::Or(hn::And(hn::ShiftRight<13>(magnitude), hn::Set(d32, 0x3ff)), hn::Set(d32, 0x7e00));
  result = hn::IfThenElse(hn::RebindMask(d32, order > hn::Set(di, 0x7f800000)), quiet, result);
  return hn::TruncateTo(d16, hn::Or(sign, result));
#endif
}

#undef NORMKIT_F16

template <class D>
HWY_INLINE void StoreAny(hn::Vec<D> value, D d, hn::TFromD<D>* y) {
  hn::StoreU(value, d, y);
}
template <class D, class T, HWY_IF_LANE_SIZE(T, 2)>
HWY_INLINE void StoreAny(hn::Vec<D> value, D d, T* y) {
  hn::StoreU(Narrow(d, value, y), hn::Rebind<uint16_t, D>(), reinterpret_cast<uint16_t*>(y));
}

// The first n < Lanes(d) elements; writes nothing beyond them.
template <class D, class T>
HWY_INLINE void StorePartial(hn::Vec<D> value, D d, T* y, size_t n) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  if constexpr (sizeof(T) >= 4) return hn::BlendedStore(value, hn::FirstN(d, n), d, y);
#endif
#if HWY_TARGET == HWY_AVX3
  if constexpr (sizeof(T) == 2) {
    const hn::Rebind<uint16_t, D> d16;
    auto* bits = reinterpret_cast<uint16_t*>(y);
    return hn::BlendedStore(Narrow(d, value, y), hn::FirstN(d16, n), d16, bits);
  }
#endif
  HWY_ALIGN T buffer[hn::MaxLanes(d)];
  StoreAny(value, d, buffer);
  std::memcpy(y, buffer, n * sizeof(T));
}

// Into the L2 cache, for the next group of units; the address need not exist.
template <class T>
HWY_INLINE void FetchAhead(const T* x, int64_t ahead) {
  if (ahead != 0) __builtin_prefetch(x + ahead, 0, 2);
}
// Into the L1 cache, for the next rows.
template <class T>
HWY_INLINE void FetchNear(const T* x, int64_t ahead) {
  if (ahead != 0) __builtin_prefetch(x + ahead, 0, 3);
}

// Past the caches; y is aligned to Lanes(d) elements.
template <class D>
HWY_INLINE void StreamStore(hn::Vec<D> value, D d, hn::TFromD<D>* y) {
  hn::Stream(value, d, y);
}
template <class D, class T, HWY_IF_LANE_SIZE(T, 2)>
HWY_INLINE void StreamStore(hn::Vec<D> value, D d, T* y) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  hn::Stream(Narrow(d, value, y), hn::Rebind<uint16_t, D>(), reinterpret_cast<uint16_t*>(y));
#else
  StoreAny(value, d, y);  // half a vector of SSE: no such store
#endif
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// Two vectors of bf16 that lie one behind the other, as those of even and of odd places: a lane of
// 32 bits has one of each, which a shift and a mask make f32, two instructions where Widen takes
// four.
template <class D>
struct Pairs {
  hn::Vec<D> even, odd;
};
template <class D>
HWY_INLINE Pairs<D> PairsOf(D d, hn::Vec<hn::Rebind<uint32_t, D>> bits) {
  const hn::Rebind<uint32_t, D> d32;
  return {hn::BitCast(d, hn::ShiftLeft<16>(bits)),
          hn::BitCast(d, hn::And(bits, hn::Set(d32, 0xffff0000)))};
}
template <class D>
HWY_INLINE Pairs<D> LoadPairs(D d, const BFloat16* x) {
  return PairsOf(d, hn::LoadU(hn::Rebind<uint32_t, D>(), reinterpret_cast<const uint32_t*>(x)));
}
// The first n < 2 Lanes(d) elements, then zeros. Reads nothing beyond them.
template <class D>
HWY_INLINE Pairs<D> LoadPairs(D d, const BFloat16* x, size_t n) {
  const hn::Rebind<uint32_t, D> d32;
#if HWY_TARGET == HWY_AVX3
  const hn::Repartition<uint16_t, D> d16;
  const auto* halves = reinterpret_cast<const uint16_t*>(x);
  return PairsOf(d, hn::BitCast(d32, hn::MaskedLoad(hn::FirstN(d16, n), d16, halves)));
#else
  auto bits = hn::MaskedLoad(hn::FirstN(d32, n / 2), d32, reinterpret_cast<const uint32_t*>(x));
  if (n % 2 != 0) {
    const auto at = hn::Eq(hn::Iota(d32, 0), hn::Set(d32, static_cast<uint32_t>(n / 2)));
    uint16_t last;  // x may begin between elements
    std::memcpy(&last, x + (n - 1), sizeof(last));
    bits = hn::IfThenElse(at, hn::Set(d32, last), bits);
  }
  return PairsOf(d, bits);
#endif
}
// As they lie in memory.
template <class D, Nans kNans>
HWY_INLINE auto NarrowPairs(D d, const Pairs<D>& values) {
  const hn::Rebind<uint32_t, D> d32;
  const hn::Repartition<uint16_t, D> d16;
  const auto even = hn::ShiftRight<16>(RoundToUpperHalves<D, kNans>(d, values.even));
  const auto odd = RoundToUpperHalves<D, kNans>(d, values.odd);
  return hn::BitCast(d32, hn::OddEven(hn::BitCast(d16, odd), hn::BitCast(d16, even)));
}
// Two vectors, one behind the other, as bf16: a whole vector of them, in lanes of 32 bits.
template <class D, Nans kNans>
HWY_INLINE auto NarrowTwo(D d, hn::Vec<D> first, hn::Vec<D> second) {
  const hn::Repartition<uint16_t, D> d16;
  const auto a = hn::BitCast(d16, RoundToUpperHalves<D, kNans>(d, first));
  const auto b = hn::BitCast(d16, RoundToUpperHalves<D, kNans>(d, second));
  return hn::BitCast(hn::Rebind<uint32_t, D>(), hn::ConcatOdd(d16, b, a));
}
// Two vectors of f32 in the order of pairs.
template <class D>
HWY_INLINE Pairs<D> ToPairs(D d, hn::Vec<D> first, hn::Vec<D> second) {
  return {hn::ConcatEven(d, second, first), hn::ConcatOdd(d, second, first)};
}
#endif

// The elements of one vector, from i on, for code that is the same for whole vectors and for ends.
template <class R>
struct WholeVector {
  int64_t i;
  template <class U>
  HWY_INLINE Vector<R> Load(const U* from) const {
    return LoadAny(Tag<R>(), from + i);
  }
  template <class U>
  HWY_INLINE void Store(Vector<R> value, U* to) const {
    StoreAny(value, Tag<R>(), to + i);
  }
  HWY_INLINE Vector<R> Keep(Vector<R> value) const { return value; }
  template <class U>
  HWY_INLINE void Fetch(const U* from, int64_t ahead) const {
    FetchNear(from + i, ahead);
  }
  template <class U>
  HWY_INLINE void FetchFar(const U* from, int64_t ahead) const {
    FetchAhead(from + i, ahead);
  }
};

// The first n of them; the other lanes are zero.
template <class R>
struct PartOfVector {
  int64_t i;
  size_t n;
  template <class U>
  HWY_INLINE Vector<R> Load(const U* from) const {
    return LoadPartial(Tag<R>(), from + i, n);
  }
  template <class U>
  HWY_INLINE void Store(Vector<R> value, U* to) const {
    StorePartial(value, Tag<R>(), to + i, n);
  }
  HWY_INLINE Vector<R> Keep(Vector<R> value) const {
    return hn::IfThenElseZero(hn::FirstN(Tag<R>(), n), value);
  }
  template <class U>
  HWY_INLINE void Fetch(const U*, int64_t) const {}
  template <class U>
  HWY_INLINE void FetchFar(const U* from, int64_t ahead) const {
    FetchAhead(from + i, ahead);
  }
};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// Those of even or of odd places of two vectors of bf16, from i on. Of numbers in f32 there is one
// for each pair.
template <bool kOdd>
struct PlacesOfTwo {
  int64_t i;
  HWY_INLINE Vector<float> Load(const BFloat16* from) const {
    const auto two = LoadPairs(Tag<float>(), from + i);
    return kOdd ? two.odd : two.even;
  }
  HWY_INLINE Vector<float> Load(const float* from) const {
    return hn::LoadU(Tag<float>(), from + i / 2);
  }
  HWY_INLINE Vector<float> Keep(Vector<float> value) const { return value; }
  template <class U>
  HWY_INLINE void Fetch(const U* from, int64_t ahead) const {
    if (!kOdd) FetchNear(from + i, ahead);
  }
  template <class U>
  HWY_INLINE void FetchFar(const U* from, int64_t ahead) const {
    if (!kOdd) FetchAhead(from + i, ahead);
  }
};
// The same of the first n elements; the other lanes are zero. Of numbers in f32 all are read.
template <bool kOdd>
struct PlacesOfPart {
  int64_t i;
  size_t n;
  HWY_INLINE Vector<float> Load(const BFloat16* from) const {
    const auto two = LoadPairs(Tag<float>(), from + i, n);
    return kOdd ? two.odd : two.even;
  }
  HWY_INLINE Vector<float> Load(const float* from) const { return PlacesOfTwo<kOdd>{i}.Load(from); }
  HWY_INLINE Vector<float> Keep(Vector<float> value) const {
    const Tag<float> d;
    return hn::IfThenElseZero(hn::FirstN(d, kOdd ? n / 2 : (n + 1) / 2), value);
  }
  template <class U>
  HWY_INLINE void Fetch(const U*, int64_t) const {}
  template <class U>
  HWY_INLINE void FetchFar(const U* from, int64_t ahead) const {
    PlacesOfTwo<kOdd>{i}.FetchFar(from, ahead);
  }
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::simd
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_LOAD_STORE_INL_H_
