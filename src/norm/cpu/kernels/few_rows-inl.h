// Moments of columns of at most kBlockRows rows, arithmetic in f32: a vector of columns at a time,
// in registers.
#if defined(NORMKIT_FEW_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FEW_ROWS_INL_H_
#undef NORMKIT_FEW_ROWS_INL_H_
#else
#define NORMKIT_FEW_ROWS_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "src/norm/cpu/kernels/column_cut.h"
#include "src/norm/cpu/kernels/products-inl.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"
#include "src/norm/cpu/kernels/small_divisor-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Which statistics of n elements call for no scale.
HWY_INLINE hn::Mask<hn::ScalableTag<double>> AreWithinRange(
    double n, hn::Vec<hn::ScalableTag<double>> sum, hn::Vec<hn::ScalableTag<double>> squares) {
  const hn::ScalableTag<double> d;
  const auto most = hn::Set(d, std::numeric_limits<double>::max());
  const auto least = hn::Set(d, n * kTinySquare), zero = hn::Zero(d);
  const auto zeros = hn::And(hn::Eq(sum, zero), hn::Eq(squares, zero));
  return hn::Or(zeros, hn::And(hn::Le(squares, most), hn::Ge(squares, least)));
}

#if HWY_TARGET <= HWY_AVX2

// Two vectors of f64, of the lower and of the upper half of a vector of f32.
using Halves = hn::Vec<hn::ScalableTag<double>>[2];
inline constexpr auto kHalf = static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<double>()));

HWY_INLINE void ToHalves(Vector<float> v, Halves& to) {
  const hn::ScalableTag<double> d;
  const hn::Half<Tag<float>> half;
  to[0] = hn::PromoteTo(d, hn::LowerHalf(half, v));
  to[1] = hn::PromoteTo(d, hn::UpperHalf(half, v));
}
HWY_INLINE Vector<float> FromHalves(const Halves& from) {
  const hn::Half<Tag<float>> half;
  return hn::Combine(Tag<float>(), hn::DemoteTo(half, from[1]), hn::DemoteTo(half, from[0]));
}
HWY_INLINE void LoadHalves(const double* from, Halves& to) {
  to[0] = hn::LoadU(hn::ScalableTag<double>(), from);
  to[1] = hn::LoadU(hn::ScalableTag<double>(), from + kHalf);
}
HWY_INLINE void StoreHalves(const Halves& from, double* to) {
  hn::StoreU(from[0], hn::ScalableTag<double>(), to);
  hn::StoreU(from[1], hn::ScalableTag<double>(), to + kHalf);
}

// Two sums for each of a vector of columns; terms(row, &first, &second) gives what a row adds. As
// AddTile has it.
template <class Terms>
HWY_INLINE void SumFewRows(int64_t rows, const Terms& terms, Halves& first, Halves& second) {
  auto all_first = hn::Zero(Tag<float>()), all_second = all_first;
  for (int64_t begin = 0; begin < rows; begin += kAdditions) {
    auto some_first = hn::Zero(Tag<float>()), some_second = some_first;
    const int64_t end = std::min(begin + kAdditions, rows);
    for (int64_t row = begin; row < end; ++row) {
      Vector<float> a, b;
      terms(row, &a, &b);
      some_first = hn::Add(some_first, a), some_second = hn::Add(some_second, b);
    }
    all_first = hn::Add(all_first, some_first), all_second = hn::Add(all_second, some_second);
  }
  ToHalves(all_first, first);
  ToHalves(all_second, second);
}

// Moments, to the bit of ColumnMoments.
template <bool kCenter>
class FewRows {
  using D = Tag<float>;
  using V = Vector<float>;
  using Wide = hn::ScalableTag<double>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));

 public:
  // Of a vector of columns, around their shifts.
  struct Sums {
    V shift;
    Halves sum, squares;
  };

  HWY_INLINE explicit FewRows(int64_t rows) : rows_(rows), n_(static_cast<double>(rows)), by_(n_) {}

  // The sums of a vector of columns, load(row) being one of their elements.
  template <class Load>
  HWY_INLINE void Add(const Load& load, Sums& sums) const {
    auto shift = hn::Zero(D());
    if constexpr (kCenter) {
      for (int64_t row = 0; row < rows_; ++row) shift = hn::Add(shift, load(row));
      shift = product_(shift, hn::Set(D(), 1.0f / static_cast<float>(rows_)));
    }
    Sum(load, shift, sums.sum, sums.squares);
    if constexpr (kCenter) {
      if (HWY_UNLIKELY(Improve(sums.sum, sums.squares, shift)))
        Sum(load, shift, sums.sum, sums.squares);
    }
    sums.shift = shift;
  }

  // Whether no squares leave the range.
  HWY_INLINE bool AreGood(const Sums& sums) const {
    return hn::AllTrue(Wide(), hn::And(AreWithinRange(n_, sums.sum[0], sums.squares[0]),
                                       AreWithinRange(n_, sums.sum[1], sums.squares[1])));
  }

  // mean and m2, from good sums.
  HWY_INLINE void Finish(const Sums& sums, Halves& mean, Halves& m2) const {
    const Wide d;
    const auto zero = hn::Zero(d);
    Halves center;
    ToHalves(sums.shift, center);
    HWY_UNROLL(2)
    for (int k = 0; k < 2; ++k) {
      const auto offset = by_.Divide(sums.sum[k]);
      mean[k] = kCenter ? hn::Add(center[k], offset) : zero;
      const auto left = hn::Sub(sums.squares[k], hn::Mul(sums.sum[k], offset));
      m2[k] = kCenter ? hn::Max(zero, left) : sums.squares[k];  // where that is NaN, it
    }
  }

  // The same from others.
  template <class Load>
  HWY_INLINE void Mend(const Load& load, Sums& sums, Halves& mean, Halves& m2) const {
    HWY_ALIGN float x[kBlockRows * kWidth];
    for (int64_t row = 0; row < rows_; ++row) hn::Store(load(row), D(), x + row * kWidth);
    MendRows(x, sums, mean, m2);
  }

  // mean and m2; false where squares leave the range.
  template <class Load>
  HWY_INLINE bool Take(const Load& load, Halves& mean, Halves& m2) const {
    Sums sums;
    Add(load, sums);
    if (!AreGood(sums)) return false;
    Finish(sums, mean, m2);
    return true;
  }

 private:
  template <class Load>
  HWY_INLINE void Sum(const Load& load, V shift, Halves& sum, Halves& squares) const {
    const auto terms = [&](int64_t row, V* first, V* second) HWY_ATTR {
      const V value = kCenter ? hn::Sub(load(row), shift) : load(row);
      *first = kCenter ? value : hn::Zero(D());
      *second = product_(value, value);
    };
    SumFewRows(rows_, terms, sum, squares);
  }

  // Moves the shifts that lie too far from their means, once there are scales those of columns that
  // have one; whether there are any.
  HWY_INLINE bool Improve(const Halves& sum, const Halves& squares, V& shift,
                          const Halves* scale = nullptr) const {
    const Wide d;
    const auto half_n = hn::Set(d, 0.5 * n_);
    const auto far = [&](int k) HWY_ATTR {
      const auto is = hn::Gt(hn::Mul(sum[k], sum[k]), hn::Mul(half_n, squares[k]));
      return scale ? hn::And(is, hn::Ne((*scale)[k], hn::Set(d, 1.0))) : is;
    };
    const auto far0 = far(0), far1 = far(1);
    if (HWY_LIKELY(hn::AllFalse(d, hn::Or(far0, far1)))) return false;
    Halves moved;
    ToHalves(shift, moved);
    moved[0] = hn::IfThenElse(far0, hn::Add(moved[0], by_.Divide(sum[0])), moved[0]);
    moved[1] = hn::IfThenElse(far1, hn::Add(moved[1], by_.Divide(sum[1])), moved[1]);
    shift = FromHalves(moved);
    return true;
  }

  // Of columns some of which have squares that leave the range, the sums of those once more, of x
  // times a scale (2 to a power of 75: rounded once, as in f64, where three more operations took
  // longer). The others keep theirs, so that what one column needs does not show in another.
  HWY_NOINLINE void MendRows(float* x, Sums& sums, Halves& mean, Halves& m2) const {
    const Wide d;
    const auto one = hn::Set(d, 1.0), up = hn::Set(d, kScaleUp), down = hn::Set(d, kScaleDown);
    Halves scale, factor;
    for (int k = 0; k < 2; ++k) {
      const auto good = AreWithinRange(n_, sums.sum[k], sums.squares[k]);
      const auto small = hn::Lt(sums.squares[k], hn::Set(d, n_ * kTinySquare));
      scale[k] = hn::IfThenElse(good, one, hn::IfThenElse(small, up, down));
      factor[k] = hn::IfThenElse(good, one, hn::IfThenElse(small, down, up));
    }
    auto all = hn::Zero(D());
    const auto by = FromHalves(scale);
    for (int64_t row = 0; row < rows_; ++row) {
      const auto value = product_(hn::Load(D(), x + row * kWidth), by);
      hn::Store(value, D(), x + row * kWidth);
      all = hn::IfThenElse(hn::IsNaN(value), value, hn::Add(value, all));  // as GuessScaled
    }
    const auto load = [&](int64_t row) HWY_ATTR { return hn::Load(D(), x + row * kWidth); };
    if constexpr (kCenter) {
      const auto kept = hn::Eq(FromHalves(scale), hn::Set(D(), 1.0f));
      // Of denormal numbers a quotient takes three times as long.
      const auto scaled = hn::IfThenZeroElse(kept, all);
      const auto shift = hn::Div(scaled, hn::Set(D(), static_cast<float>(rows_)));
      sums.shift = hn::IfThenElse(kept, sums.shift, shift);
    }
    Sum(load, sums.shift, sums.sum, sums.squares);
    if constexpr (kCenter) {
      if (Improve(sums.sum, sums.squares, sums.shift, &scale))
        Sum(load, sums.shift, sums.sum, sums.squares);
    }
    Finish(sums, mean, m2);
    for (int k = 0; k < 2; ++k) {
      mean[k] = hn::Mul(mean[k], factor[k]);
      m2[k] = hn::Mul(m2[k], hn::Mul(factor[k], factor[k]));
    }
  }

  const int64_t rows_;
  const double n_;
  const SmallDivisor by_;
  const Products<float> product_;
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FEW_ROWS_INL_H_
