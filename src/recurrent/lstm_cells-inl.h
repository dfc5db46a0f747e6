// LSTM gates, forward and backward.
#if defined(NORMKIT_LSTM_CELLS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_LSTM_CELLS_INL_H_
#undef NORMKIT_LSTM_CELLS_INL_H_
#else
#define NORMKIT_LSTM_CELLS_INL_H_
#endif

#include "src/recurrent/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::recurrent {
namespace HWY_NAMESPACE {

template <class Gate, class State>
HWY_INLINE void LstmRow(const LstmCells& cells, int64_t row) {
  const D d;
  const int64_t hidden = cells.hidden;
  float *i = cells.gates[row], *f = i + hidden, *g = f + hidden, *o = g + hidden;
  const float* before = cells.c_before[row];
  float *c = cells.c[row], *state_c = cells.state_c ? cells.state_c[row] : nullptr,
        *out = cells.out[row];
  ForVectors(hidden, [&](auto at) {
    const V input = Gate::Value(d, at.Load(i)), forget = Gate::Value(d, at.Load(f)),
            candidate = State::Value(d, at.Load(g)), output = Gate::Value(d, at.Load(o));
    const V sum = hn::Add(hn::Mul(forget, at.Load(before)), hn::Mul(input, candidate));
    const V state = State::Value(d, sum);
    at.Store(sum, c);
    at.Store(hn::Mul(output, state), out);
    if (!state_c) return;
    at.Store(input, i);
    at.Store(forget, f);
    at.Store(candidate, g);
    at.Store(output, o);
    at.Store(state, state_c);
  });
}

HWY_NOINLINE void LstmForwardRows(const LstmCells& cells, int64_t rows) {
  WithFunctions(cells.functions, [&](auto gate, auto state) {
    for (int64_t row = 0; row < rows; ++row) LstmRow<decltype(gate), decltype(state)>(cells, row);
  });
}

template <class Gate, class State>
HWY_INLINE void LstmGradientRow(const LstmCellGradients& cells, int64_t row) {
  const D d;
  const int64_t hidden = cells.hidden;
  const float *i = cells.gates[row], *f = i + hidden, *g = f + hidden, *o = g + hidden;
  const float *before = cells.c_before[row], *state_c = cells.state_c[row],
              *dout1 = cells.dout1[row], *dout2 = cells.dout2[row];
  float *di = cells.dgates[row], *df = di + hidden, *dg = df + hidden, *dout = dg + hidden,
        *dc = cells.dc[row];
  ForVectors(hidden, [&](auto at) {
    const V input = at.Load(i), forget = at.Load(f), candidate = at.Load(g), output = at.Load(o),
            state = at.Load(state_c);
    const V dh = hn::Add(at.Load(dout1), at.Load(dout2));
    const V sum = hn::Add(at.Load(dc), hn::Mul(hn::Mul(dh, output), State::Slope(d, state)));
    at.Store(hn::Mul(hn::Mul(sum, candidate), Gate::Slope(d, input)), di);
    at.Store(hn::Mul(hn::Mul(sum, at.Load(before)), Gate::Slope(d, forget)), df);
    at.Store(hn::Mul(hn::Mul(sum, input), State::Slope(d, candidate)), dg);
    at.Store(hn::Mul(hn::Mul(dh, state), Gate::Slope(d, output)), dout);
    at.Store(hn::Mul(sum, forget), dc);
  });
}

HWY_NOINLINE void LstmBackwardRows(const LstmCellGradients& cells, int64_t rows) {
  WithFunctions(cells.functions, [&](auto gate, auto state) {
    for (int64_t row = 0; row < rows; ++row)
      LstmGradientRow<decltype(gate), decltype(state)>(cells, row);
  });
}

HWY_NOINLINE void LstmOutputRows(const LstmOutputs& cells, int64_t rows) {
  WithFunctions(cells.functions, [&](auto, auto state) {
    const D d;
    for (int64_t row = 0; row < rows; ++row) {
      const float *o = cells.gates[row] + 3 * cells.hidden, *sums = cells.sums[row];
      float *state_c = cells.state_c[row], *out = cells.out[row];
      ForVectors(cells.hidden, [&](auto at) {
        const V value = decltype(state)::Value(d, at.Load(sums));
        at.Store(value, state_c);
        at.Store(hn::Mul(at.Load(o), value), out);
      });
    }
  });
}

HWY_NOINLINE void LstmOutputGradientRows(const LstmOutputGradients& cells, int64_t rows) {
  WithFunctions(cells.functions, [&](auto gate, auto state) {
    const D d;
    for (int64_t row = 0; row < rows; ++row) {
      const float *o = cells.gates[row] + 3 * cells.hidden, *state_c = cells.state_c[row],
                  *dout1 = cells.dout1[row], *dout2 = cells.dout2[row];
      float *dgate = cells.dgate[row], *dsums = cells.dsums[row];
      ForVectors(cells.hidden, [&](auto at) {
        const V dh = hn::Add(at.Load(dout1), at.Load(dout2)), output = at.Load(o),
                value = at.Load(state_c);
        at.Store(hn::Mul(hn::Mul(dh, value), decltype(gate)::Slope(d, output)), dgate);
        at.Store(hn::Mul(hn::Mul(dh, output), decltype(state)::Slope(d, value)), dsums);
      });
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::recurrent
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_LSTM_CELLS_INL_H_
