// GRU gates, forward and backward.
#if defined(NORMKIT_GRU_CELLS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRU_CELLS_INL_H_
#undef NORMKIT_GRU_CELLS_INL_H_
#else
#define NORMKIT_GRU_CELLS_INL_H_
#endif

#include "src/recurrent/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::recurrent {
namespace HWY_NAMESPACE {

template <GruPart kPart, class Gate, class State>
HWY_INLINE void GruRow(const GruCells& cells, int64_t row) {
  const D d;
  float *r = cells.gates[row], *z = r + cells.hidden, *n = z + cells.hidden;
  float *candidate = cells.candidate[row], *h = cells.h[row];
  const float* before = cells.h_before[row];
  ForVectors(cells.hidden, [&](auto at) {
    const V h_before = at.Load(before);
    V reset = hn::Zero(d), update = at.Load(z);
    if constexpr (kPart != GruPart::kFinish) {
      reset = Gate::Value(d, at.Load(r));
      update = Gate::Value(d, update);
      if (cells.keeps || kPart == GruPart::kReset) at.Store(reset, r), at.Store(update, z);
    }
    if constexpr (kPart == GruPart::kReset) return at.Store(hn::Mul(reset, h_before), candidate);
    V sum = at.Load(n);
    if constexpr (kPart == GruPart::kWhole) sum = hn::Add(sum, hn::Mul(reset, at.Load(candidate)));
    const V state = State::Value(d, sum);
    if (cells.keeps) at.Store(state, n);
    at.Store(hn::Add(state, hn::Mul(update, hn::Sub(h_before, state))), h);
  });
}

HWY_NOINLINE void GruForwardRows(const GruCells& cells, int64_t rows, GruPart part) {
  WithFunctions(cells.functions, [&](auto gate, auto state) {
    using Gate = decltype(gate);
    using State = decltype(state);
    for (int64_t row = 0; row < rows; ++row)
      if (part == GruPart::kWhole)
        GruRow<GruPart::kWhole, Gate, State>(cells, row);
      else if (part == GruPart::kReset)
        GruRow<GruPart::kReset, Gate, State>(cells, row);
      else
        GruRow<GruPart::kFinish, Gate, State>(cells, row);
  });
}

template <GruPart kPart, class Gate, class State>
HWY_INLINE void GruGradientRow(const GruCellGradients& cells, int64_t row) {
  const D d;
  const int64_t hidden = cells.hidden;
  const float *r = cells.gates[row], *z = r + hidden, *n = z + hidden;
  const float *candidate = cells.candidate[row], *before = cells.h_before[row],
              *given = cells.given[row];
  float *dh = cells.dh[row], *dr = cells.dgates[row], *dz = dr + hidden, *dn = dz + hidden;
  float *dr2 = cells.drecurrent[row], *dz2 = dr2 + hidden, *dn2 = dz2 + hidden;
  float* dcandidate = kPart == GruPart::kWhole ? nullptr : cells.dcandidate[row];
  ForVectors(hidden, [&](auto at) {
    const V reset = at.Load(r), h_before = at.Load(before);
    if constexpr (kPart == GruPart::kReset) {
      const V of_product = at.Load(given);
      const V dreset = hn::Mul(hn::Mul(of_product, h_before), Gate::Slope(d, reset));
      at.Store(dreset, dr), at.Store(dreset, dr2);
      at.Store(hn::Add(at.Load(dh), hn::Mul(of_product, reset)), dh);
      return;
    }
    const V update = at.Load(z), state = at.Load(n);
    const V all = hn::Add(at.Load(dh), at.Load(given));
    const V dstate =
        hn::Mul(hn::Mul(all, hn::Sub(hn::Set(d, 1.0f), update)), State::Slope(d, state));
    const V dupdate = hn::Mul(hn::Mul(all, hn::Sub(h_before, state)), Gate::Slope(d, update));
    at.Store(dstate, dn);
    at.Store(dupdate, dz), at.Store(dupdate, dz2);
    at.Store(hn::Mul(all, update), dh);
    if constexpr (kPart == GruPart::kFinish) return at.Store(dstate, dcandidate);
    const V dreset = hn::Mul(hn::Mul(dstate, at.Load(candidate)), Gate::Slope(d, reset));
    at.Store(dreset, dr), at.Store(dreset, dr2);
    at.Store(hn::Mul(dstate, reset), dn2);
  });
}

HWY_NOINLINE void GruBackwardRows(const GruCellGradients& cells, int64_t rows, GruPart part) {
  WithFunctions(cells.functions, [&](auto gate, auto state) {
    using Gate = decltype(gate);
    using State = decltype(state);
    for (int64_t row = 0; row < rows; ++row)
      if (part == GruPart::kWhole)
        GruGradientRow<GruPart::kWhole, Gate, State>(cells, row);
      else if (part == GruPart::kReset)
        GruGradientRow<GruPart::kReset, Gate, State>(cells, row);
      else
        GruGradientRow<GruPart::kFinish, Gate, State>(cells, row);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::recurrent
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRU_CELLS_INL_H_
