// Products that may be denormal: those that are added up, and y of tiny numbers.
#if defined(NORMKIT_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_PRODUCTS_INL_H_
#undef NORMKIT_PRODUCTS_INL_H_
#else
#define NORMKIT_PRODUCTS_INL_H_
#endif

#include <cstring>
#include <type_traits>

#include "src/norm/cpu/kernels/write_run-inl.h"
#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

// a * b.
struct PlainProducts {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Mul(a, b);
  }
};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// Compilers that knew it would make a product or a sum of it. From no memory: so code is folded.
template <class R, class Bits = std::conditional_t<sizeof(R) == 4, uint32_t, uint64_t>>
HWY_INLINE R Hidden(R value) {
  auto bits = __builtin_bit_cast(Bits, value);
  asm("" : "+r"(bits));
  return __builtin_bit_cast(R, bits);
}
#endif

// a * b of R. On Zen 5 a product that is denormal, or of a denormal number, may take three times as
// long as others, and what is added to it waits, unless the processor has learned where such
// products are; not where a fused multiply-add makes it. With -0 added it is the same to the bit,
// zeros and their signs too.
template <class R, class D = hn::ScalableTag<R>>
class Products {
  using V = hn::Vec<D>;

 public:
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  HWY_INLINE Products() : zero_(hn::Set(D(), Hidden(R(-0.0)))) {}
  HWY_INLINE V operator()(V a, V b) const { return hn::MulAdd(a, b, zero_); }

 private:
  const V zero_;
#else
  HWY_INLINE V operator()(V a, V b) const { return hn::Mul(a, b); }
#endif
};

// Those of the backward pass: of f16 none is denormal, and f64 is not worth the text.
template <class T>
using TermProducts = std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, BFloat16>,
                                        Products<Real<T>>, PlainProducts>;

// A form whose products may be denormal.
template <class Form>
struct MendingForm {
  using R = typename Form::R;
  static constexpr bool kStraight = Form::kStraight, kAnywhere = Form::kAnywhere;
  static constexpr Nans kNans = Form::kNans;
  Form form;
  Products<R> product = {};

  struct At : Form::At {
    Products<R> product;
    HWY_INLINE Vector<R> Z(Vector<R> deviation) const { return Form::At::Z(deviation, product); }
  };
  template <class Part>
  HWY_INLINE At Get(Part p) const {
    return {form.Get(p), product};
  }
};
// Where they are chosen: f32 with AVX-512 takes at most 2.6 times as long without them. Not behind
// a ReLU, nor for stores past the caches: each would be as much text again.
template <class T>
inline constexpr bool kMendsForms =
    (HWY_TARGET == HWY_AVX2 && std::is_same_v<T, float>) || kPaired<T>;

// Whether x begins with a number of which products may be denormal, but not with 0.
template <class T>
HWY_INLINE bool IsTiny(const T* x) {
  constexpr uint32_t kTiny = 27u << 24;  // the bits of 2^-100, without the sign
  uint32_t bits = 0;
  if constexpr (sizeof(T) == 4)
    std::memcpy(&bits, x, sizeof bits);
  else
    std::memcpy(reinterpret_cast<char*>(&bits) + 2, x, sizeof(T));
  return (bits << 1) - 1 < kTiny - 1;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_PRODUCTS_INL_H_
