// Products that may be denormal, for what is added up of them.
#if defined(NORMKIT_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_PRODUCTS_INL_H_
#undef NORMKIT_PRODUCTS_INL_H_
#else
#define NORMKIT_PRODUCTS_INL_H_
#endif

#include <cstdint>

#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

struct PlainProducts {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Mul(a, b);
  }
};

// The same by way of an operation on bits, which changes nothing: on Zen 5 what is added to a
// denormal product waits for it 4 cycles and more where it comes straight from the multiplier,
// unless the processor has learned where such products are; not where it comes so.
class Products {
  using D = Tag<float>;
  using V = Vector<float>;

 public:
  HWY_INLINE Products() : zero_(Zero()) {}
  HWY_INLINE V operator()(V a, V b) const { return hn::Or(hn::Mul(a, b), zero_); }

 private:
  // That compilers do not know: they would leave the operation out.
  static HWY_INLINE V Zero() {
    uint32_t zero = 0;
    asm("" : "+r"(zero));
    return hn::BitCast(D(), hn::Set(hn::Rebind<uint32_t, D>(), zero));
  }

  const V zero_;
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_PRODUCTS_INL_H_
