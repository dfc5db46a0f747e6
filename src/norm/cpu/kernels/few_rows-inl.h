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

 public:
  HWY_INLINE explicit FewRows(int64_t rows) : rows_(rows), n_(static_cast<double>(rows)), by_(n_) {}

  // mean and m2 of a vector of columns, load(row) being one of their elements; false where squares
  // leave the range.
  template <class Load>
  HWY_INLINE bool Take(const Load& load, Halves& mean, Halves& m2) const {
    auto shift = hn::Zero(D());
    if constexpr (kCenter) {
      for (int64_t row = 0; row < rows_; ++row) shift = hn::Add(shift, load(row));
      shift = hn::Mul(shift, hn::Set(D(), 1.0f / static_cast<float>(rows_)));
    }
    Halves sum, squares;
    Sum(load, shift, sum, squares);
    if constexpr (kCenter) {
      if (HWY_UNLIKELY(Improve(sum, squares, shift))) Sum(load, shift, sum, squares);
    }
    return Finish(shift, sum, squares, mean, m2);
  }

 private:
  template <class Load>
  HWY_INLINE void Sum(const Load& load, V shift, Halves& sum, Halves& squares) const {
    const auto terms = [&](int64_t row, V* first, V* second) HWY_ATTR {
      const V value = kCenter ? hn::Sub(load(row), shift) : load(row);
      *first = kCenter ? value : hn::Zero(D());
      *second = hn::Mul(value, value);
    };
    SumFewRows(rows_, terms, sum, squares);
  }

  // Moves the shifts that lie too far from their means; whether there are any.
  HWY_INLINE bool Improve(const Halves& sum, const Halves& squares, V& shift) const {
    const Wide d;
    const auto half_n = hn::Set(d, 0.5 * n_);
    const auto far = [&](int k) HWY_ATTR {
      return hn::Gt(hn::Mul(sum[k], sum[k]), hn::Mul(half_n, squares[k]));
    };
    const auto far0 = far(0), far1 = far(1);
    if (HWY_LIKELY(hn::AllFalse(d, hn::Or(far0, far1)))) return false;
    Halves moved;
    ToHalves(shift, moved);
    const auto n = hn::Set(d, n_);
    moved[0] = hn::IfThenElse(far0, hn::Add(moved[0], hn::Div(sum[0], n)), moved[0]);
    moved[1] = hn::IfThenElse(far1, hn::Add(moved[1], hn::Div(sum[1], n)), moved[1]);
    shift = FromHalves(moved);
    return true;
  }

  HWY_INLINE bool Finish(V shift, const Halves& sum, const Halves& squares, Halves& mean,
                         Halves& m2) const {
    const Wide d;
    if (!hn::AllTrue(d, hn::And(AreWithinRange(n_, sum[0], squares[0]),
                                AreWithinRange(n_, sum[1], squares[1]))))
      return false;
    const auto zero = hn::Zero(d);
    Halves center;
    ToHalves(shift, center);
    HWY_UNROLL(2)
    for (int k = 0; k < 2; ++k) {
      const auto offset = by_.Divide(sum[k]);
      mean[k] = kCenter ? hn::Add(center[k], offset) : zero;
      m2[k] = kCenter ? hn::Max(hn::Sub(squares[k], hn::Mul(sum[k], offset)), zero) : squares[k];
    }
    return true;
  }

  const int64_t rows_;
  const double n_;
  const SmallDivisor by_;
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FEW_ROWS_INL_H_
