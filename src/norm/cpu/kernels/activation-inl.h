// Activations, and what of a gradient passes them.
#if defined(NORMKIT_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_ACTIVATION_INL_H_
#undef NORMKIT_ACTIVATION_INL_H_
#else
#define NORMKIT_ACTIVATION_INL_H_
#endif

#include <cmath>
#include <numbers>

#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

template <bool kRelu, class D>
HWY_INLINE hn::Vec<D> Activate(D d, hn::Vec<D> z) {
  // Not Max: NaN has to stay NaN.
  return kRelu ? hn::IfThenZeroElse(hn::Le(z, hn::Zero(d)), z) : z;
}

// dy where the activation let z through, else 0. Not z > 0: as in Activate, NaN passes.
template <bool kRelu, class D>
HWY_INLINE hn::Vec<D> PassGradient(D d, hn::Vec<D> z, hn::Vec<D> dy) {
  return kRelu ? hn::IfThenZeroElse(hn::Le(z, hn::Zero(d)), dy) : dy;
}

// z where it is > 0, else z * slope. NaN stays NaN.
template <class D>
HWY_INLINE hn::Vec<D> LeakyRelu(D d, hn::Vec<D> z, hn::Vec<D> slope) {
  return hn::IfThenElse(hn::Le(z, hn::Zero(d)), hn::Mul(z, slope), z);
}

// c[0] + c[1] t + ... by Horner's rule.
template <class D, size_t kCount>
HWY_INLINE hn::Vec<D> Polynomial(D d, hn::Vec<D> t, const float (&c)[kCount]) {
  auto value = hn::Set(d, c[kCount - 1]);
  for (size_t i = kCount - 1; i-- > 0;) value = hn::Add(hn::Mul(value, t), hn::Set(d, c[i]));
  return value;
}

// z * Phi(z), Phi the distribution function of the standard normal (Hendrycks & Gimpel 2016).
// Phi(z) - 1/2 is z times a rational function of z^2, fitted to 6e-9 for |z| <= 5.25; beyond, it
// rounds to 1/2. Off by at most 2.7 * 2^-24 * (1 + |z|).
HWY_INLINE hn::Vec<hn::ScalableTag<float>> Gelu(hn::ScalableTag<float> d,
                                                hn::Vec<hn::ScalableTag<float>> z) {
  constexpr float kAbove[] = {3.98942258e-1f, 3.27337267e-2f, 4.61783652e-3f,
                              1.58526252e-4f, 6.39224681e-6f, 2.43894389e-8f};
  constexpr float kBelow[] = {1.0f,           2.48717574e-1f, 2.80288492e-2f,
                              1.82646465e-3f, 7.08980908e-5f, 1.24790384e-6f};
  constexpr float kEnd = 5.25f;
  const auto near = hn::Min(hn::Max(z, hn::Set(d, -kEnd)), hn::Set(d, kEnd));
  const auto t = hn::Mul(near, near);
  const auto phi = hn::Add(
      hn::Mul(near, hn::Div(Polynomial(d, t, kAbove), Polynomial(d, t, kBelow))), hn::Set(d, 0.5f));
  // Not z * 0 at minus infinity.
  const auto value = hn::IfThenZeroElse(hn::Le(z, hn::Set(d, -1e30f)), hn::Mul(z, phi));
  return hn::IfThenElse(hn::RebindMask(d, hn::Ne(z, z)), z, value);  // NaN
}

// In f64 lane by lane, to the last digits of the standard library.
HWY_INLINE hn::Vec<hn::ScalableTag<double>> Gelu(hn::ScalableTag<double> d,
                                                 hn::Vec<hn::ScalableTag<double>> z) {
  HWY_ALIGN double lanes[hn::MaxLanes(hn::ScalableTag<double>())];
  hn::Store(z, d, lanes);
  for (double& v : lanes) v = v < -1e30 ? 0 : v * (0.5 * std::erfc(v * -std::numbers::sqrt2 / 2));
  return hn::Load(d, lanes);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_ACTIVATION_INL_H_
