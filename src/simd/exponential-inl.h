// e^x and sigmoids of vectors of f32, no NaN.
#if defined(NORMKIT_EXPONENTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_EXPONENTIAL_INL_H_
#undef NORMKIT_EXPONENTIAL_INL_H_
#else
#define NORMKIT_EXPONENTIAL_INL_H_
#endif

#include <hwy/highway.h>

#include <numbers>

HWY_BEFORE_NAMESPACE();
namespace normkit::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// c[0] + c[1] t + ... by Horner's rule.
template <class D, size_t kCount>
HWY_INLINE hn::Vec<D> Polynomial(D d, hn::Vec<D> t, const float (&c)[kCount]) {
  auto value = hn::Set(d, c[kCount - 1]);
  for (size_t i = kCount - 1; i-- > 0;) value = hn::Add(hn::Mul(value, t), hn::Set(d, c[i]));
  return value;
}

// e^x = power * (1 + rest) for x <= 0; below -87, where f32 has no normal number left, of -87.
// x = n ln 2 + r with ln 2 in two parts, the first of which times n is exact: r is off by 2^-24 |r|
// and 2^-25. rest = r + r^2 q(r), q fitted to 1.6e-8 |r|. e^x is off by 2.8 u of itself, and
// (power - 1) + power * rest by 3.1 u of e^x - 1 (docs/numerics.md, with u = 2^-24).
inline constexpr float kExponentialQ[] = {0.5f, 0.166665435f, 0.0416662805f, 0.00836660154f,
                                          0.0013946481f};
struct Exponential {
  hn::Vec<hn::ScalableTag<float>> power, rest;
};
HWY_INLINE Exponential ExponentialOf(hn::ScalableTag<float> d, hn::Vec<hn::ScalableTag<float>> x) {
  const hn::Rebind<int32_t, decltype(d)> di;
  x = hn::Max(x, hn::Set(d, -87.0f));
  const auto n = hn::Round(hn::Mul(x, hn::Set(d, std::numbers::log2e_v<float>)));
  const auto r = hn::Sub(hn::Sub(x, hn::Mul(n, hn::Set(d, 0.693359375f))),
                         hn::Mul(n, hn::Set(d, -2.12194440e-4f)));
  const auto rest = hn::Add(r, hn::Mul(hn::Mul(r, r), Polynomial(d, r, kExponentialQ)));
  const auto exponent = hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127));
  return {hn::BitCast(d, hn::ShiftLeft<23>(exponent)), rest};
}

// The same of any x, beyond 87 of 87, by fused multiply-adds where the target has them: half of the
// instructions.
HWY_INLINE Exponential FusedExponentialOf(hn::ScalableTag<float> d,
                                          hn::Vec<hn::ScalableTag<float>> x) {
  const hn::Rebind<int32_t, decltype(d)> di;
  x = hn::Min(hn::Max(x, hn::Set(d, -87.0f)), hn::Set(d, 87.0f));
  const auto n = hn::Round(hn::Mul(x, hn::Set(d, std::numbers::log2e_v<float>)));
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto q = hn::Set(d, kExponentialQ[4]);
  for (size_t i = 4; i-- > 0;) q = hn::MulAdd(q, r, hn::Set(d, kExponentialQ[i]));
  const auto rest = hn::MulAdd(hn::Mul(r, r), q, r);
  const auto exponent = hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127));
  return {hn::BitCast(d, hn::ShiftLeft<23>(exponent)), rest};
}

// e^x for x <= 0, and below -87 exactly 0.
HWY_INLINE hn::Vec<hn::ScalableTag<float>> Exp(hn::ScalableTag<float> d,
                                               hn::Vec<hn::ScalableTag<float>> x) {
  const Exponential e = ExponentialOf(d, x);
  const auto value = hn::Add(e.power, hn::Mul(e.power, e.rest));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.0f)), value);
}

// sigmoid(z) and sigmoid(-z), which is 1 less the first, to the last digits.
struct Sigmoids {
  hn::Vec<hn::ScalableTag<float>> of, rest;
};
HWY_INLINE Sigmoids SigmoidsOf(hn::ScalableTag<float> d, hn::Vec<hn::ScalableTag<float>> z) {
  const auto one = hn::Set(d, 1.0f);
  const auto t = Exp(d, hn::Neg(hn::Abs(z)));
  const auto large = hn::Div(one, hn::Add(one, t)), small = hn::Mul(t, large);
  const auto below = hn::Lt(z, hn::Zero(d));
  return {hn::IfThenElse(below, small, large), hn::IfThenElse(below, large, small)};
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::simd
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_EXPONENTIAL_INL_H_
