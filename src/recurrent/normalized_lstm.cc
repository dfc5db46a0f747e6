// LSTM with layer normalization inside (Ba et al. 2016): of what the last output adds to the gates,
// over the gates of all units, and of the cell's state.
#include <cmath>

#include "src/recurrent/lstm_groups.h"

namespace normkit::recurrent {
namespace {

// Sums of f(k), k < n, in f64 and in an order that no processor changes.
template <class F>
double SumOf(int64_t n, const F& f) {
  constexpr int64_t kLanes = 8;
  double sums[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += f(k + lane);
  for (; k < n; ++k) sums[k % kLanes] += f(k);
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

// norm = (v - mean) rstd; gives rstd.
float NormalizeNumbers(const float* v, int64_t n, float* norm) {
  const auto count = static_cast<double>(n);
  const double mean = SumOf(n, [&](int64_t k) { return static_cast<double>(v[k]); }) / count;
  const double squares = SumOf(n, [&](int64_t k) { return (v[k] - mean) * (v[k] - mean); });
  const double rstd = 1 / std::sqrt(squares / count + kNormEpsilon);
  for (int64_t k = 0; k < n; ++k) norm[k] = static_cast<float>((v[k] - mean) * rstd);
  return static_cast<float>(rstd);
}

// From the gradient of the norm, dnorm(k), to that of v: rstd (dnorm - mean(dnorm) - norm
// mean(dnorm norm)), given to give(k, dv).
template <class Gradient, class Give>
void BackThroughNorm(int64_t n, const float* norm, float rstd, const Gradient& dnorm,
                     const Give& give) {
  const auto count = static_cast<double>(n);
  const double mean = SumOf(n, [&](int64_t k) { return static_cast<double>(dnorm(k)); }) / count;
  const double along =
      SumOf(n, [&](int64_t k) { return static_cast<double>(dnorm(k)) * norm[k]; }) / count;
  for (int64_t k = 0; k < n; ++k)
    give(k, static_cast<float>(rstd * (dnorm(k) - mean - norm[k] * along)));
}

class NormalizedLstmForward : public LstmForwardGroup {
 public:
  NormalizedLstmForward(const RecurrentForward& run, const float* scratch,
                        std::span<const Course> group)
      : LstmForwardGroup(run, scratch, group, 2, Numbers(run.shape)),
        product_(lists_.Take()),
        sums_(lists_.Take()) {
    for (int64_t i = 0; i < size_; ++i) {
      product_[i] = Own(i);
      sums_[i] = Own(i) + 2 * s_.gates();
    }
  }

 private:
  // The product, its norm, what the state is of, its norm and the state.
  static int64_t Numbers(const RecurrentShape& s) { return 2 * s.gates() + 3 * s.hidden; }
  float* Own(int64_t i) const { return numbers_ + size_ * s_.hidden + i * Numbers(s_); }

  void Cells(int64_t t, int64_t alive, float** gates) override {
    const RecurrentKept& kept = run_.kept;
    if (has_h_before(t))
      recurrent_.Run(h_, product_, alive);
    else
      ForAlive(alive, [&](int64_t i, const Course&) { std::fill_n(product_[i], s_.gates(), 0.f); });
    ForAlive(alive, [&](int64_t i, const Course& of) {
      float* norm = kept.recurrent_norm ? kept.recurrent_norm + of.Row(t) * s_.gates()
                                        : product_[i] + s_.gates();
      const float rstd = NormalizeNumbers(product_[i], s_.gates(), norm);
      if (kept.rstds) kept.rstds[2 * of.Row(t)] = rstd;
      const float* scale = run_.weights.recurrent_scale;
      for (int64_t k = 0; k < s_.gates(); ++k) gates[i][k] += scale[k] * norm[k];
      if (!kept.state_c) state_c_[i] = sums_[i] + 2 * s_.hidden;
    });
    LstmCells{s_.functions, s_.hidden, gates, c_before_, c_, state_c_, out_}.Forward(alive);
    ForAlive(alive, [&](int64_t i, const Course& of) {
      float* norm = kept.cell_norm ? kept.cell_norm + of.Row(t) * s_.hidden : sums_[i] + s_.hidden;
      const float rstd = NormalizeNumbers(c_[i], s_.hidden, norm);
      if (kept.rstds) kept.rstds[2 * of.Row(t) + 1] = rstd;
      const float *scale = run_.weights.cell_scale, *offset = run_.weights.cell_offset;
      for (int64_t k = 0; k < s_.hidden; ++k) sums_[i][k] = scale[k] * norm[k] + offset[k];
    });
    LstmOutputs{s_.functions, s_.hidden, gates, sums_, state_c_, out_}.Forward(alive);
  }

  float **product_, **sums_;
};

class NormalizedLstmBackward : public LstmBackwardGroup {
 public:
  NormalizedLstmBackward(const RecurrentBackward& run, const float* scratch,
                         std::span<const Course> group)
      : LstmBackwardGroup(run, scratch, group, 4, 2 * run.shape.hidden),
        dgate_(lists_.Take()),
        dsums_(lists_.Take()),
        none_(lists_.Take()),
        dproduct_(lists_.Take()) {
    for (int64_t i = 0; i < size_; ++i) {
      dgate_[i] = numbers_ + (size_ + 2 * i) * s_.hidden;
      dsums_[i] = dgate_[i] + s_.hidden;
      none_[i] = zeros_;
    }
  }

 private:
  float** CellGradients(int64_t t, int64_t alive) override {
    LstmOutputGradients{s_.functions, s_.hidden, gates_, state_c_, dout1_, dout2_, dgate_, dsums_}
        .Backward(alive);
    ForAlive(alive, [&](int64_t i, const Course& of) { BackThroughCell(i, of.Row(t)); });
    // What the output has to do with the state is in dc already.
    LstmCellGradients{s_.functions, s_.hidden, gates_, c_before_, state_c_,
                      none_,        none_,     dc_,    dgates_}
        .Backward(alive);
    ForAlive(alive, [&](int64_t i, const Course& of) {
      std::copy_n(dgate_[i], s_.hidden, dgates_[i] + 3 * s_.hidden);
      BackThroughProduct(i, of.Row(t));
    });
    return dproduct_;
  }

  void BackThroughCell(int64_t i, int64_t row) const {
    const float* norm = run_.kept.cell_norm + row * s_.hidden;
    const float *dsums = dsums_[i], *scale = run_.weights.cell_scale;
    float *dscale = run_.dcell_scale + row * s_.hidden,
          *doffset = run_.dcell_offset + row * s_.hidden;
    for (int64_t k = 0; k < s_.hidden; ++k) {
      dscale[k] = dsums[k] * norm[k];
      doffset[k] = dsums[k];
    }
    float* dc = dc_[i];
    BackThroughNorm(
        s_.hidden, norm, run_.kept.rstds[2 * row + 1],
        [&](int64_t k) { return dsums[k] * scale[k]; },
        [&](int64_t k, float value) { dc[k] += value; });
  }

  void BackThroughProduct(int64_t i, int64_t row) {
    const int64_t n = s_.gates();
    const float* norm = run_.kept.recurrent_norm + row * n;
    const float *dgates = dgates_[i], *scale = run_.weights.recurrent_scale;
    float *dscale = run_.drecurrent_scale + row * n, *dproduct = run_.drecurrent + row * n;
    for (int64_t k = 0; k < n; ++k) dscale[k] = dgates[k] * norm[k];
    BackThroughNorm(
        n, norm, run_.kept.rstds[2 * row], [&](int64_t k) { return dgates[k] * scale[k]; },
        [&](int64_t k, float value) { dproduct[k] = value; });
    dproduct_[i] = dproduct;
  }

  float **dgate_, **dsums_, **none_, **dproduct_;
};

}  // namespace

void RunNormalizedLstm(const RecurrentForward& run, const float* scratch,
                       std::span<const Course> group) {
  NormalizedLstmForward(run, scratch, group).Run();
}
void RunNormalizedLstm(const RecurrentBackward& run, const float* scratch,
                       std::span<const Course> group) {
  NormalizedLstmBackward(run, scratch, group).Run();
}

}  // namespace normkit::recurrent
