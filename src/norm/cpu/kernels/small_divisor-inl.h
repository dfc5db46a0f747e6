// Division by a small integer without dividing.
#if defined(NORMKIT_SMALL_DIVISOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_SMALL_DIVISOR_INL_H_
#undef NORMKIT_SMALL_DIVISOR_INL_H_
#else
#define NORMKIT_SMALL_DIVISOR_INL_H_
#endif

#include <hwy/highway.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX2

// Division by an integer of at most kMost, or by infinity, of finite numbers that are neither -0
// nor have a denormal quotient; NaN stays NaN. A quarter of the time that processors take, to the
// bit. A product with the reciprocal is right where that is exact. Else it is off by less than 1.5
// units of the last place (ulp); what it leaves of the dividend is at most 1536 of them, exact, and
// its quotient misses by 1.5 ulp * 2^-53, where no quotient is nearer than 1/2048 ulp to the middle
// between two numbers.
class SmallDivisor {
  using D = hn::ScalableTag<double>;
  using V = hn::Vec<D>;

 public:
  static constexpr double kMost = 1024;

  HWY_INLINE explicit SmallDivisor(double n)
      : n_(n),
        reciprocal_(1 / n),
        exact_(std::isinf(n) || std::has_single_bit(static_cast<uint64_t>(n))) {}
  HWY_INLINE V Divide(V a) const {
    const D d;
    const V reciprocal = hn::Set(d, reciprocal_), q = hn::Mul(a, reciprocal);
    if (exact_) return q;
    return hn::MulAdd(hn::NegMulAdd(q, hn::Set(d, n_), a), reciprocal, q);
  }

 private:
  double n_, reciprocal_;
  bool exact_;
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_SMALL_DIVISOR_INL_H_
