// Sums of rows of two vectors of f32, eight rows at a time, that are not turned.
#if defined(NORMKIT_TWO_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_TWO_VECTORS_INL_H_
#undef NORMKIT_TWO_VECTORS_INL_H_
#else
#define NORMKIT_TWO_VECTORS_INL_H_
#endif

#include <algorithm>

#include "src/norm/cpu/kernels/narrow-inl.h"
#include "src/norm/cpu/kernels/products-inl.h"
#include "src/norm/cpu/kernels/small_divisor-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3

// Rows one behind the other: their shifts and sums, to the bit those of TurnedRows. What takes
// longest is to make eight numbers f64: two instructions of the two units that add. So squares,
// which have no sign, become f64 by shifts (NaN, with a sign or without, and infinities become
// 2^128 and more), and most additions are fused with a product by 1: other units do both.
class TwoVectors {
  using D = Tag<float>;
  using V = hn::Vec<D>;
  using DH = hn::Half<D>;
  using VH = hn::Vec<DH>;
  using DU = hn::Repartition<uint64_t, D>;
  using VD = hn::Vec<Wide>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  static constexpr int64_t kHalf = kWidth / 2, kStep = kWideLanes;

 public:
  // Shorter ones are turned as fast.
  static bool Suits(int64_t n) { return n > kWidth + kHalf && n <= 2 * kWidth; }

  // Fetches what lies `ahead` elements behind.
  HWY_INLINE TwoVectors(const float* x, int64_t n, int64_t rows, int64_t ahead)
      : x_(x), n_(n), rows_(rows), ahead_(ahead) {}

  HWY_NOINLINE void Shifts(const SmallDivisor& by, float* HWY_RESTRICT shifts) const {
    const auto is_end = hn::FirstN(DH(), static_cast<size_t>(n_ - kWidth - kHalf));
    const VD one = hn::Set(Wide(), Hidden(1.0));
    for (int64_t row = 0; row < rows_; row += kStep) {
      VD ends[kStep];
      HWY_UNROLL(8)
      for (int64_t k = 0; k < kStep; ++k) {
        const float* x = At(row + k);
        __builtin_prefetch(x + ahead_, 0, 3);
        const VH end = hn::MaskedLoad(is_end, DH(), x + kWidth + kHalf);
        ends[kPlaceOfEnds[k]] = Ends(one, hn::LoadU(DH(), x), hn::LoadU(DH(), x + kHalf),
                                     hn::LoadU(DH(), x + kWidth), end);
      }
      const VD sum = hn::Add(FoldEnds(one, ends), hn::Zero(Wide()));
      hn::Store(hn::DemoteTo(DH(), by.Divide(sum)), DH(), shifts + row);
    }
  }

  // Whether all are good, and no squares 2^128 and more: NaN and infinite ones come out as such
  // numbers.
  template <bool kCenter>
  HWY_NOINLINE bool Sums(const float* HWY_RESTRICT shifts, double* HWY_RESTRICT sums,
                         double* HWY_RESTRICT squares) const {
    const Wide d;
    const auto is_rest = hn::FirstN(D(), static_cast<size_t>(n_ - kWidth));
    const VD one = hn::Set(d, Hidden(1.0)), zero = hn::Zero(d);
    auto good = hn::Eq(zero, zero);
    for (int64_t row = 0; row < rows_; row += kStep) {
      VD ends[kStep], ends_of_squares[kStep];
      HWY_UNROLL(8)
      for (int64_t k = 0; k < kStep; ++k) {
        const float* x = At(row + k);
        if (!kCenter) __builtin_prefetch(x + ahead_, 0, 3);
        __builtin_prefetch(x + ahead_ + kWidth, 0, 3);
        V first = hn::LoadU(D(), x), last = hn::MaskedLoad(is_rest, D(), x + kWidth);
        if constexpr (kCenter) {
          const V shift = hn::Set(D(), shifts[row + k]);
          first = hn::Sub(first, shift), last = hn::IfThenElseZero(is_rest, hn::Sub(last, shift));
          const DH half;
          ends[kPlaceOfEnds[k]] = Ends(one, hn::LowerHalf(half, first), hn::UpperHalf(half, first),
                                       hn::LowerHalf(half, last), hn::UpperHalf(half, last));
        }
        ends_of_squares[kPlaceOfSquares[k]] =
            EndsOfSquares(one, hn::Mul(first, first), hn::Mul(last, last));
      }
      const VD sum = kCenter ? hn::Add(FoldEnds(one, ends), zero) : zero;
      const VD square = hn::Mul(FoldEndsOfSquares(one, ends_of_squares), hn::Set(d, 0x1p896));
      good = hn::And(good, hn::And(hn::Lt(square, hn::Set(d, 0x1p128)),
                                   AreGood<float, kCenter>(by(), sum, square)));
      if constexpr (kCenter) hn::Store(sum, d, sums + row);
      hn::Store(square, d, squares + row);
    }
    return hn::AllTrue(d, good);
  }

 private:
  // Where the ends of row k go: its sum comes out in lane k.
  static constexpr size_t kPlaceOfEnds[] = {0, 4, 2, 6, 1, 5, 3, 7};
  static constexpr size_t kPlaceOfSquares[] = {0, 2, 1, 3, 4, 6, 5, 7};

  HWY_INLINE double by() const { return static_cast<double>(n_); }
  // Behind the last row that one again.
  HWY_INLINE const float* At(int64_t row) const { return x_ + std::min(row, rows_ - 1) * n_; }

  // Of 32 lanes the upper half onto the lower one, then of 16.
  static HWY_INLINE VD Ends(VD one, VH v0, VH v1, VH v2, VH v3) {
    const Wide d;
    const VD lower = hn::Add(hn::PromoteTo(d, v0), hn::PromoteTo(d, v2));
    const VD upper = hn::Add(hn::PromoteTo(d, v1), hn::PromoteTo(d, v3));
    return hn::MulAdd(lower, one, upper);
  }
  // The same of squares times 2^-896, lanes of even places before those of odd ones. Bits of f32 by
  // 29 to the left are the f64 whose exponent is less by 1023 - 127; those of finite ones add up
  // there as they do in f64, for what is denormal there is exact.
  static HWY_INLINE VD EndsOfSquares(VD one, V first, V last) {
    return AddHalves(one, hn::MulAdd(Even(first), one, Even(last)),
                     hn::MulAdd(Odd(first), one, Odd(last)));
  }
  static HWY_INLINE VD Even(V v) {
    const auto bits = hn::And(hn::BitCast(DU(), v), hn::Set(DU(), 0xffffffffu));
    return hn::BitCast(Wide(), hn::ShiftLeft<29>(bits));
  }
  static HWY_INLINE VD Odd(V v) {
    const auto bits = hn::ShiftRight<3>(hn::BitCast(DU(), v));
    return hn::BitCast(Wide(), hn::And(bits, hn::Set(DU(), ~uint64_t{0x1fffffff})));
  }

  // Halves, blocks and lanes of a and of b by turns, as FoldVectors adds them; one shuffle each,
  // for some lanes have the second operand first.
  static HWY_INLINE VD AddHalves(VD one, VD a, VD b) {
    const Wide d;
    return hn::MulAdd(hn::ConcatUpperLower(d, b, a), one, hn::ConcatLowerUpper(d, b, a));
  }
  static HWY_INLINE VD AddBlocks(VD one, VD a, VD b) {
    return hn::MulAdd(hn::OddEvenBlocks(b, a), one,
                      hn::SwapAdjacentBlocks(hn::OddEvenBlocks(a, b)));
  }
  static HWY_INLINE VD AddPairs(VD one, VD a, VD b) {
    return hn::MulAdd(hn::OddEven(b, a), one, hn::Reverse2(Wide(), hn::OddEven(a, b)));
  }
  static HWY_INLINE VD FoldEnds(VD one, const VD* v) {
    const auto four = [&](const VD* of) HWY_ATTR {
      return AddBlocks(one, AddHalves(one, of[0], of[1]), AddHalves(one, of[2], of[3]));
    };
    return AddPairs(one, four(v), four(v + 4));
  }
  static HWY_INLINE VD FoldEndsOfSquares(VD one, const VD* v) {
    const auto four = [&](const VD* of) HWY_ATTR {
      return AddPairs(one, AddBlocks(one, of[0], of[1]), AddBlocks(one, of[2], of[3]));
    };
    return AddHalves(one, four(v), four(v + 4));
  }

  const float* x_;
  int64_t n_, rows_, ahead_;
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_TWO_VECTORS_INL_H_
