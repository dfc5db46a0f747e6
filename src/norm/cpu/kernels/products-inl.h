// Products that may be denormal, for what is added up of them.
#if defined(NORMKIT_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_PRODUCTS_INL_H_
#undef NORMKIT_PRODUCTS_INL_H_
#else
#define NORMKIT_PRODUCTS_INL_H_
#endif

#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

// a * b of R. On Zen 5 a product that is denormal, or of a denormal number, may take three times as
// long as others, and what is added to it waits, unless the processor has learned where such
// products are; not where a fused multiply-add makes it. With -0 added it is the same to the bit,
// zeros and their signs too.
template <class R>
class Products {
  using D = hn::ScalableTag<R>;
  using V = hn::Vec<D>;

 public:
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  HWY_INLINE Products() : zero_(Zero()) {}
  HWY_INLINE V operator()(V a, V b) const { return hn::MulAdd(a, b, zero_); }

 private:
  // That compilers do not know: they would make it a product again.
  static HWY_INLINE V Zero() {
    R zero = R(-0.0);
    asm("" : "+x"(zero));
    return hn::Set(D(), zero);
  }

  const V zero_;
#else
  HWY_INLINE V operator()(V a, V b) const { return hn::Mul(a, b); }
#endif
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_PRODUCTS_INL_H_
