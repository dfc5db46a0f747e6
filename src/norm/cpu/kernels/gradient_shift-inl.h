// A number amid the terms of a sum of the backward pass, around which they are summed: where all dy
// have a part in common (a loss with a mean in it), it would be rounded in every product, and then
// cancel.
#if defined(NORMKIT_GRADIENT_SHIFT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_SHIFT_INL_H_
#undef NORMKIT_GRADIENT_SHIFT_INL_H_
#else
#define NORMKIT_GRADIENT_SHIFT_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <limits>

#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"
#include "src/norm/cpu/kernels/write_run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Values at so many places, from the first to the last: neither an outlier nor zeros at the start
// may decide.
inline constexpr int64_t kPlaces = 4, kNeighbours = 8;
// Further from 0 than so many times their range they lie together. Where their common part is 30
// standard deviations, four of normals always do (of 16 and fewer any four); twice the range is met
// by chance, eight times as often, by values far above all others.
inline constexpr double kFarRanges = 4;
// The k-th of them in [0, last].
HWY_INLINE int64_t PlaceIn(int64_t last, int64_t k) { return last * k / (kPlaces - 1); }

// The mean of the middle two of four values, times `scale`, lane by lane. 0 where they do not lie
// together far from 0, since sums around a number that is off by a standard deviation lose more
// than those around 0, and where one is not finite.
template <class D>
HWY_INLINE hn::Vec<D> MiddleOf(D d, hn::Vec<D> v0, hn::Vec<D> v1, hn::Vec<D> v2, hn::Vec<D> v3,
                               hn::TFromD<D> scale = 1) {
  const auto low01 = hn::Min(v0, v1), low23 = hn::Min(v2, v3);
  const auto high01 = hn::Max(v0, v1), high23 = hn::Max(v2, v3);
  const auto half = hn::Set(d, hn::TFromD<D>(0.5));
  const auto middle =
      hn::Add(hn::Mul(hn::Max(low01, low23), half), hn::Mul(hn::Min(high01, high23), half));
  const auto range = hn::Sub(hn::Max(high01, high23), hn::Min(low01, low23));
  const auto far = hn::Gt(hn::Abs(middle), hn::Mul(range, hn::Set(d, hn::TFromD<D>(kFarRanges))));
  // What targets make of the least of NaN and a number differs.
  const auto most = hn::Set(d, std::numeric_limits<hn::TFromD<D>>::max());
  const auto all = hn::Abs(hn::Add(hn::Add(v0, v1), hn::Add(v2, v3)));
  return hn::IfThenElseZero(hn::And(far, hn::Le(all, most)), hn::Mul(middle, hn::Set(d, scale)));
}

// The sum of eight neighbours in as many vectors as that takes: the same on every target.
template <class D, class V, size_t kParts>
HWY_INLINE hn::TFromD<D> FoldParts(D d, V (&parts)[kParts]) {
  for (size_t count = kParts / 2; count >= 1; count /= 2)
    for (size_t part = 0; part < count; ++part)
      parts[part] = hn::Add(parts[part], parts[part + count]);
  return FoldVector(d, parts[0]);
}

#if HWY_TARGET <= HWY_AVX2
// FoldVector of `count` vectors of eight f32 that lie one behind the other. Reads and writes up to
// a multiple of eight.
HWY_INLINE void FoldEights(const float* HWY_RESTRICT rows, int64_t count,
                           float* HWY_RESTRICT sums) {
  const hn::CappedTag<float, 8> d;
  const hn::Repartition<double, decltype(d)> wide;
  using V = hn::Vec<decltype(d)>;
  const auto fold_pairs = [&](V a, V b) HWY_ATTR {  // lanes of 64 bits
    const auto a64 = hn::BitCast(wide, a), b64 = hn::BitCast(wide, b);
    return hn::Add(hn::BitCast(d, hn::InterleaveLower(wide, a64, b64)),
                   hn::BitCast(d, hn::InterleaveUpper(wide, a64, b64)));
  };
  for (int64_t i = 0; i < count; i += 8, rows += 64) {
    const auto halves = [&](int64_t row) HWY_ATTR {
      return AddHalves(d, hn::Load(d, rows + 8 * row), hn::Load(d, rows + 8 * (row + 4)));
    };
    const V one = AddPairs(d, halves(0), halves(1)), two = AddPairs(d, halves(2), halves(3));
    hn::Store(fold_pairs(one, two), d, sums + i);
  }
}

// Half a vector from each place.
template <class D, class T>
HWY_INLINE hn::Vec<D> LoadHalves(D d, const T* lower, const T* upper) {
  using Stored = std::conditional_t<sizeof(T) == 2, uint16_t, T>;
  const hn::Rebind<Stored, D> stored;
  const hn::Half<decltype(stored)> half;
  const auto both = hn::Combine(stored, hn::LoadU(half, reinterpret_cast<const Stored*>(upper)),
                                hn::LoadU(half, reinterpret_cast<const Stored*>(lower)));
  if constexpr (sizeof(T) == 2)
    return Widen(d, both, lower);
  else
    return both;
}
#endif

// n elements from x on; the other lanes are zero.
template <class D, class T>
HWY_INLINE hn::Vec<D> LoadSome(D d, const T* x, int64_t n) {
  return HWY_LIKELY(n == static_cast<int64_t>(hn::MaxLanes(D())))
             ? LoadAny(d, x)
             : LoadPartial(d, x, static_cast<size_t>(n));
}

// Of the dy of a cell of runs: the mean of up to eight neighbours, each MiddleOf four places.
// Powers of two, so that of equal terms it is exactly their value.
template <class T>
class ShiftsOfCells {
  using R = Real<T>;
  using D = hn::CappedTag<R, kNeighbours>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));

 public:
  HWY_INLINE explicit ShiftsOfCells(const BackwardJob& job)
      : whole_(job.whole),
        neighbours_(std::min<int64_t>(
            std::bit_floor(static_cast<uint64_t>(job.geometry->cells.inner)), kNeighbours)) {
    const Nest& nest = job.geometry->cells;
    for (int64_t k = 0; k < kPlaces; ++k)
      places_[k] = nest.reduced.Offset(PlaceIn(nest.reduced.size() - 1, k)) +
                   PlaceIn(nest.inner - neighbours_, k);
  }

  HWY_INLINE R Of(const UnitOf<T>& dy) const {
    if (!whole_) return 0;
    return neighbours_ == kNeighbours ? Of<true>(dy) : Of<false>(dy);
  }

#if HWY_TARGET <= HWY_AVX2
  // Of `count` cells, at most kMaxGroup, that begin at these elements of a dense dy.
  HWY_NOINLINE void Fill(const T* dy, const int64_t* starts, int64_t count, R* shifts) const {
    if (!whole_) return (void)std::fill_n(shifts, count, R(0));
    HWY_ALIGN R rows[kMaxGroup * kNeighbours];
    neighbours_ == kNeighbours ? FillRows<true>(dy, starts, count, rows)
                               : FillRows<false>(dy, starts, count, rows);
    std::fill_n(rows + count * kNeighbours, (kMaxGroup - count) % 8 * kNeighbours, R(0));
    FoldEights(rows, count, shifts);
  }
#endif

 private:
#if HWY_TARGET <= HWY_AVX2
  // Eight neighbours are half a vector of AVX-512: two cells share one.
  template <bool kAll>
  HWY_INLINE void FillRows(const T* dy, const int64_t* starts, int64_t count, R* rows) const {
    using DTwo = Tag<T>;
    constexpr bool kTwo = kAll && hn::MaxLanes(DTwo()) == 2 * kNeighbours;
    const std::conditional_t<kTwo, DTwo, D> d;
    const R scale = R(1) / static_cast<R>(neighbours_);
    for (int64_t i = 0; i < count; i += kTwo ? 2 : 1) {
      const T *one = dy + starts[i], *other = dy + starts[std::min(i + 1, count - 1)];
      const auto at = [&](int64_t k) HWY_ATTR {
        if constexpr (kTwo)
          return LoadHalves(d, one + places_[k], other + places_[k]);
        else
          return LoadSome(d, one + places_[k], kAll ? kNeighbours : neighbours_);
      };
      hn::Store(MiddleOf(d, at(0), at(1), at(2), at(3), scale), d, rows + i * kNeighbours);
    }
  }
#endif

  template <bool kAll>
  HWY_INLINE R Of(const UnitOf<T>& dy) const {
    const D d;
    const R scale = R(1) / static_cast<R>(neighbours_);
    hn::Vec<D> parts[kNeighbours / kWidth];
    for (size_t part = 0; part < kNeighbours / kWidth; ++part) {
      const auto begin = static_cast<int64_t>(part) * kWidth;
      const int64_t n = kAll ? kWidth : std::clamp<int64_t>(neighbours_ - begin, 0, kWidth);
      const auto at = [&](int64_t k) HWY_ATTR { return LoadSome(d, dy.At(places_[k]) + begin, n); };
      parts[part] = MiddleOf(d, at(0), at(1), at(2), at(3), scale);
    }
    return FoldParts(d, parts);
  }

  bool whole_;
  int64_t neighbours_;
  int64_t places_[kPlaces];
};

template <class T>
struct AmidRows {
  const T* rows[kPlaces];

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    return MiddleOf(Tag<T>(), p.Load(rows[0]), p.Load(rows[1]), p.Load(rows[2]), p.Load(rows[3]));
  }
};

// Of each of `width` columns of dy, from element `start` on. 0 where sums around a shift would not
// do.
template <class T>
HWY_INLINE void FillShifts(const BackwardJob& job, const Loops& rows, int64_t start, int64_t width,
                           Real<T>* shifts) {
  if (!job.whole) return (void)std::fill_n(shifts, width, Real<T>(0));
  const UnitOf<T> dy{job.dy, start};
  const auto at = [&](int64_t k) { return dy.At(rows.Offset(PlaceIn(rows.size() - 1, k))); };
  StoreRun(AmidRows<T>{{at(0), at(1), at(2), at(3)}}, shifts, width);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_SHIFT_INL_H_
