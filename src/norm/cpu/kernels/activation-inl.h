// Activations, and what of a gradient passes them.
#if defined(NORMKIT_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_ACTIVATION_INL_H_
#undef NORMKIT_ACTIVATION_INL_H_
#else
#define NORMKIT_ACTIVATION_INL_H_
#endif

#include <algorithm>

#include "src/norm/activation.h"
#include "src/simd/exponential-inl.h"
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

// Activations of numbers in f32, no NaN: value and derivative. Infinities are clamped where
// something would be multiplied by 0.
namespace activations {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

HWY_INLINE V Near(D d, V z, float far) {
  return hn::Min(hn::Max(z, hn::Set(d, -far)), hn::Set(d, far));
}

constexpr float kSigmoidEnds = 88;  // sigmoid(-88) is 0

// Phi, the distribution function of the standard normal: Phi(z) - 1/2 is z times a rational
// function of z^2, fitted to 6e-9 for |z| <= 5.25. Where it is held from then on, the first f32 of
// its kind, it comes out as 1/2 to the bit: Phi is 0 and 1 beyond.
HWY_INLINE V NormalDistribution(D d, V z) {
  constexpr float kAbove[] = {3.98942258e-1f, 3.27337267e-2f, 4.61783652e-3f,
                              1.58526252e-4f, 6.39224681e-6f, 2.43894389e-8f};
  constexpr float kBelow[] = {1.0f,           2.48717574e-1f, 2.80288492e-2f,
                              1.82646465e-3f, 7.08980908e-5f, 1.24790384e-6f};
  const auto near = Near(d, z, 5.25252104f);
  const auto t = hn::Mul(near, near);
  return hn::Add(hn::Mul(near, hn::Div(Polynomial(d, t, kAbove), Polynomial(d, t, kBelow))),
                 hn::Set(d, 0.5f));
}

struct Gelu {
  static constexpr bool kKeepsNaN = true;  // by the product
  HWY_INLINE V Value(D d, V z) const {
    // Not z * 0 at minus infinity.
    return hn::IfThenZeroElse(hn::Le(z, hn::Set(d, -1e30f)), hn::Mul(z, NormalDistribution(d, z)));
  }
  HWY_INLINE V Slope(D d, V z) const {
    const auto near = Near(d, z, 14.0f);  // whose density is 0
    const auto density =
        hn::Mul(Exp(d, hn::Mul(hn::Mul(near, near), hn::Set(d, -0.5f))), hn::Set(d, 0.398942280f));
    return hn::Add(NormalDistribution(d, z), hn::Mul(near, density));
  }
};

// (1 + tanh(a)) / 2 = sigmoid(2 a), here of z (k + c z^2), k = 2 sqrt(2 / pi), c = 0.044715 k.
struct GeluTanh {
  static constexpr float kEnd = 12, kFirst = 1.59576912f, kCubic = 0.0713548163f;
  HWY_INLINE Sigmoids Weights(D d, V near) const {
    const auto t = hn::Mul(near, near);
    return SigmoidsOf(d,
                      hn::Mul(near, hn::Add(hn::Mul(t, hn::Set(d, kCubic)), hn::Set(d, kFirst))));
  }
  HWY_INLINE V Value(D d, V z) const {
    return hn::Mul(hn::Max(z, hn::Set(d, -kEnd)), Weights(d, Near(d, z, kEnd)).of);
  }
  HWY_INLINE V Slope(D d, V z) const {
    const auto near = Near(d, z, kEnd);
    const Sigmoids s = Weights(d, near);
    const auto inner =
        hn::Add(hn::Mul(hn::Mul(near, near), hn::Set(d, 3 * kCubic)), hn::Set(d, kFirst));
    return hn::Add(s.of, hn::Mul(hn::Mul(near, inner), hn::Mul(s.of, s.rest)));
  }
};

struct Silu {
  HWY_INLINE V Value(D d, V z) const {
    return hn::Mul(hn::Max(z, hn::Set(d, -kSigmoidEnds)), SigmoidsOf(d, z).of);
  }
  HWY_INLINE V Slope(D d, V z) const {
    const Sigmoids s = SigmoidsOf(d, z);
    return hn::Add(s.of, hn::Mul(Near(d, z, kSigmoidEnds), hn::Mul(s.of, s.rest)));
  }
};

struct Sigmoid {
  HWY_INLINE V Value(D d, V z) const { return SigmoidsOf(d, z).of; }
  HWY_INLINE V Slope(D d, V z) const {
    const Sigmoids s = SigmoidsOf(d, z);
    return hn::Mul(s.of, s.rest);
  }
};

struct HardSwish {
  HWY_INLINE V Ends(D d, V z, V between, V above) const {
    const auto three = hn::Set(d, 3.0f);
    return hn::IfThenZeroElse(hn::Le(z, hn::Neg(three)),
                              hn::IfThenElse(hn::Ge(z, three), above, between));
  }
  HWY_INLINE V Value(D d, V z) const {
    const auto above = hn::Add(z, hn::Set(d, 3.0f));
    return Ends(d, z, hn::Mul(hn::Mul(z, above), hn::Set(d, 1.0f / 6)), z);
  }
  HWY_INLINE V Slope(D d, V z) const {
    const auto between = hn::Add(hn::Mul(z, hn::Set(d, 1.0f / 3)), hn::Set(d, 0.5f));
    return Ends(d, z, between, hn::Set(d, 1.0f));
  }
};

struct Elu {
  float alpha;
  HWY_INLINE V Value(D d, V z) const {
    const auto zero = hn::Zero(d);
    const Exponential e = ExponentialOf(d, hn::Min(z, zero));
    const auto less_one = hn::Add(hn::Sub(e.power, hn::Set(d, 1.0f)), hn::Mul(e.power, e.rest));
    return hn::IfThenElse(hn::Le(z, zero), hn::Mul(hn::Set(d, alpha), less_one), z);
  }
  HWY_INLINE V Slope(D d, V z) const {
    const auto zero = hn::Zero(d);
    const auto below = hn::Mul(hn::Set(d, alpha), Exp(d, hn::Min(z, zero)));
    return hn::IfThenElse(hn::Le(z, zero), below, hn::Set(d, 1.0f));
  }
};

// max(z, 0) + log(1 + t) with t = e^-|z| <= 1: 2 atanh(w) with w = t / (2 + t) <= 1/3, w times
// 1 + a polynomial of w^2 fitted to 5e-9.
struct Softplus {
  HWY_INLINE V Value(D d, V z) const {
    constexpr float kSeries[] = {1.0f, 0.333332062f, 0.200108498f, 0.139995709f, 0.140122294f};
    const auto t = Exp(d, hn::Neg(hn::Abs(z)));
    const auto w = hn::Div(t, hn::Add(t, hn::Set(d, 2.0f)));
    const auto half = hn::Mul(w, Polynomial(d, hn::Mul(w, w), kSeries));
    return hn::Add(hn::Max(z, hn::Zero(d)), hn::Add(half, half));
  }
  HWY_INLINE V Slope(D d, V z) const { return SigmoidsOf(d, z).of; }
};

// Those that are comparisons, of which kernels compute the values; none is a slope of 1.
struct Comparison {
  float below;
  HWY_INLINE V Value(D, V z) const { return z; }
  HWY_INLINE V Slope(D d, V z) const {
    return hn::IfThenElse(hn::Le(z, hn::Zero(d)), hn::Set(d, below), hn::Set(d, 1.0f));
  }
};

// n values of an aligned buffer of whole vectors through a function of numbers; NaN stays NaN.
template <bool kSlope, class F>
HWY_NOINLINE void Map(const F& f, float* values, int64_t n) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  std::fill(values + n, values + (n + lanes - 1) / lanes * lanes, 0.0f);
  for (int64_t i = 0; i < n; i += lanes) {
    const V z = hn::Load(d, values + i);
    if constexpr (!kSlope && requires { F::kKeepsNaN; }) {
      hn::Store(f.Value(d, z), d, values + i);
      continue;
    }
    const auto is_number = hn::Eq(z, z);  // Highway 1.0.3's Ne is false of NaN on AVX2
    const V number = hn::IfThenElseZero(is_number, z);
    const V result = kSlope ? f.Slope(d, number) : f.Value(d, number);
    hn::Store(hn::IfThenElse(is_number, result, z), d, values + i);
  }
}

template <bool kSlope>
void MapTile(Activation activation, double parameter, float* values, int64_t n) {
  switch (activation) {
    case Activation::kGelu:
      return Map<kSlope>(Gelu(), values, n);
    case Activation::kGeluTanh:
      return Map<kSlope>(GeluTanh(), values, n);
    case Activation::kSilu:
      return Map<kSlope>(Silu(), values, n);
    case Activation::kSigmoid:
      return Map<kSlope>(Sigmoid(), values, n);
    case Activation::kHardSwish:
      return Map<kSlope>(HardSwish(), values, n);
    case Activation::kElu:
      return Map<kSlope>(Elu{static_cast<float>(parameter)}, values, n);
    case Activation::kSoftplus:
      return Map<kSlope>(Softplus(), values, n);
    default:
      if (!kSlope) return;
      const bool leaky = activation == Activation::kLeakyRelu;
      const double below = activation == Activation::kNone ? 1 : leaky ? parameter : 0;
      return Map<kSlope>(Comparison{static_cast<float>(below)}, values, n);
  }
}

}  // namespace activations

// Of n values in a buffer, in place: the activation, or its derivative. In f64 by the standard
// library.
HWY_INLINE void ActivateTile(Activation activation, double parameter, float* values, int64_t n) {
  activations::MapTile<false>(activation, parameter, values, n);
}
HWY_INLINE void SlopesOfTile(Activation activation, double parameter, float* values, int64_t n) {
  activations::MapTile<true>(activation, parameter, values, n);
}
inline void ActivateTile(Activation activation, double parameter, double* values, int64_t n) {
  ActivateValues(activation, parameter, values, n);
}
inline void SlopesOfTile(Activation activation, double parameter, double* values, int64_t n) {
  SlopesOfValues(activation, parameter, values, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_ACTIVATION_INL_H_
