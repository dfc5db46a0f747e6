// What gates and states go through, with derivatives by the value.
#if defined(NORMKIT_RECURRENT_FUNCTIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_RECURRENT_FUNCTIONS_INL_H_
#undef NORMKIT_RECURRENT_FUNCTIONS_INL_H_
#else
#define NORMKIT_RECURRENT_FUNCTIONS_INL_H_
#endif

#include "src/recurrent/cells.h"
#include "src/simd/exponential-inl.h"
#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::recurrent {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

using D = Tag<float>;
using V = Vector<float>;

// NaN where x is: minima and maxima of processors lose it.
HWY_INLINE V KeepNaN(V x, V value) { return hn::IfThenElse(hn::Eq(x, x), value, x); }

// 1 / (1 + e^-x), of which e^-x counts less than once: 4.3 u of itself, u = 2^-24
// (docs/numerics.md).
struct SigmoidFunction {
  static HWY_INLINE V Value(D d, V x) {
    const V one = hn::Set(d, 1.0f);
    const Exponential e = FusedExponentialOf(d, hn::Neg(x));
    return KeepNaN(x, hn::Div(one, hn::Add(hn::MulAdd(e.power, e.rest, e.power), one)));
  }
  static HWY_INLINE V Slope(D d, V value) {
    return hn::Mul(value, hn::Sub(hn::Set(d, 1.0f), value));
  }
};

struct HardSigmoidFunction {
  static HWY_INLINE V Value(D d, V x) {
    const V line = hn::Add(hn::Mul(x, hn::Set(d, 0.2f)), hn::Set(d, 0.5f));
    return KeepNaN(x, hn::Min(hn::Max(line, hn::Zero(d)), hn::Set(d, 1.0f)));
  }
  static HWY_INLINE V Slope(D d, V value) {
    const auto inside = hn::And(hn::Gt(value, hn::Zero(d)), hn::Lt(value, hn::Set(d, 1.0f)));
    return hn::IfThenElseZero(inside, hn::Set(d, 0.2f));
  }
};

// m / (m + 2) with m = e^2x - 1, which has its last digits where x is small: 8 u of itself.
struct TanhFunction {
  static HWY_INLINE V Value(D d, V x) {
    const Exponential e = FusedExponentialOf(d, hn::Add(x, x));
    const V m = hn::MulAdd(e.power, e.rest, hn::Sub(e.power, hn::Set(d, 1.0f)));
    return KeepNaN(x, hn::Div(m, hn::Add(m, hn::Set(d, 2.0f))));
  }
  static HWY_INLINE V Slope(D d, V value) {
    return hn::Sub(hn::Set(d, 1.0f), hn::Mul(value, value));
  }
};

struct SoftsignFunction {
  static HWY_INLINE V Value(D d, V x) { return hn::Div(x, hn::Add(hn::Abs(x), hn::Set(d, 1.0f))); }
  static HWY_INLINE V Slope(D d, V value) {
    const V rest = hn::Sub(hn::Set(d, 1.0f), hn::Abs(value));
    return hn::Mul(rest, rest);
  }
};

// Calls run(gate, state) with the two functions.
template <class Run>
HWY_INLINE void WithFunctions(const CellFunctions& functions, const Run& run) {
  const auto with_gate = [&](auto gate) {
    if (functions.state == StateFunction::kTanh)
      run(gate, TanhFunction());
    else
      run(gate, SoftsignFunction());
  };
  if (functions.gate == GateFunction::kSigmoid)
    with_gate(SigmoidFunction());
  else
    with_gate(HardSigmoidFunction());
}

// Calls body(part) for the vectors of n elements, the last perhaps in part.
template <class Body>
HWY_INLINE void ForVectors(int64_t n, const Body& body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(WholeVector<float>{i});
  if (i < n) body(PartOfVector<float>{i, static_cast<size_t>(n - i)});
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::recurrent
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_RECURRENT_FUNCTIONS_INL_H_
