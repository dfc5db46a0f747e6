#include "src/recurrent/lstm_groups.h"

namespace normkit::recurrent {

LstmForwardGroup::LstmForwardGroup(const RecurrentForward& run, const float* scratch,
                                   std::span<const Course> group, int64_t lists, int64_t numbers)
    : ForwardGroup(run, scratch, group, 5 + lists,
                   std::ssize(group) * (run.shape.hidden + numbers)) {
  scratch += RecurrentForward::Scratch(s_) - LstmForwardScratch(s_);
  recurrent_ = {scratch, s_.gates(), s_.outputs, s_.normalizes ? Begin::kZeros : Begin::kThere};
  projection_ = {scratch + PackedSize(s_.gates(), s_.outputs), s_.outputs, s_.hidden};
  h_ = lists_.Take(), c_before_ = lists_.Take(), c_ = lists_.Take();
  state_c_ = lists_.Take(), out_ = lists_.Take();
}

void LstmForwardGroup::Step(int64_t t, int64_t alive, float** gates) {
  const RecurrentKept& kept = run_.kept;
  ForAlive(alive, [&](int64_t i, const Course& of) {
    const int64_t at = of.Row(t) * s_.hidden;
    h_[i] = HBefore(of, t);
    c_before_[i] = CBefore(i, of, t);
    c_[i] = C(i, of, t);
    if (kept.state_c) state_c_[i] = kept.state_c + at;
    out_[i] = !s_.projects       ? H(of, t)
              : kept.unprojected ? kept.unprojected + at
                                 : numbers_ + i * s_.hidden;
  });
  Cells(t, alive, gates);
  if (!s_.projects) return;
  ForAlive(alive, [&](int64_t i, const Course& of) { h_[i] = H(of, t); });
  projection_.Run(out_, h_, alive);
}

void LstmForwardGroup::Cells(int64_t t, int64_t alive, float** gates) {
  if (has_h_before(t)) recurrent_.Run(h_, gates, alive);
  LstmCells{s_.functions, s_.hidden, gates, c_before_, c_, run_.kept.state_c ? state_c_ : nullptr,
            out_}
      .Forward(alive);
}

LstmBackwardGroup::LstmBackwardGroup(const RecurrentBackward& run, const float* scratch,
                                     std::span<const Course> group, int64_t lists, int64_t numbers)
    : BackwardGroup(run, group, 9 + lists, std::ssize(group) * (run.shape.hidden + numbers)),
      recurrent_{scratch, s_.outputs, s_.gates()},
      projection_{scratch + PackedSize(s_.outputs, s_.gates()), s_.hidden, s_.outputs} {
  gates_ = lists_.Take(), c_before_ = lists_.Take(), state_c_ = lists_.Take();
  dout1_ = lists_.Take(), dout2_ = lists_.Take(), dc_ = lists_.Take();
  dgates_ = lists_.Take(), dh_ = lists_.Take(), dout_ = lists_.Take();
}

void LstmBackwardGroup::Step(int64_t t, int64_t alive) {
  const RecurrentKept& kept = run_.kept;
  const auto& begin = run_.begin;
  ForAlive(alive, [&](int64_t i, const Course& of) {
    const int64_t row = of.Row(t), hidden = s_.hidden;
    gates_[i] = kept.gates + row * s_.gates();
    state_c_[i] = kept.state_c + row * hidden;
    c_before_[i] = t > 0 ? kept.c + of.Row(t - 1) * hidden
                         : AtOr(begin.c, of.observation, begin.c_step, zeros_);
    dout1_[i] = Given(of, t);
    dout2_[i] = dh_[i] = Dh(i);
    dc_[i] = Dc(i);
    dgates_[i] = run_.dgates + row * s_.gates();
  });
  if (s_.projects) BackThroughProjection(t, alive);
  float** dproduct = CellGradients(t, alive);
  if (wants_h_before(t)) recurrent_.Run(dproduct, dh_, alive);
}

float** LstmBackwardGroup::CellGradients(int64_t, int64_t alive) {
  LstmCellGradients{s_.functions, s_.hidden, gates_, c_before_, state_c_,
                    dout1_,       dout2_,    dc_,    dgates_}
      .Backward(alive);
  return dgates_;
}

// dout1 and dout2 become the gradient of what is projected, and zeros.
void LstmBackwardGroup::BackThroughProjection(int64_t t, int64_t alive) {
  ForAlive(alive, [&](int64_t i, const Course& of) {
    float* sum = run_.dprojected + of.Row(t) * s_.outputs;
    for (int64_t k = 0; k < s_.outputs; ++k) sum[k] = dout1_[i][k] + dout2_[i][k];
    dout1_[i] = sum;
    dout_[i] = numbers_ + i * s_.hidden;
  });
  projection_.Run(dout1_, dout_, alive);
  ForAlive(alive, [&](int64_t i, const Course&) {
    dout1_[i] = dout_[i];
    dout2_[i] = zeros_;
  });
}

size_t LstmForwardScratch(const RecurrentShape& s) {
  return PackedSize(s.gates(), s.outputs) + (s.projects ? PackedSize(s.outputs, s.hidden) : 0);
}
void PackLstm(const RecurrentForward& run, float* scratch) {
  const RecurrentShape& s = run.shape;
  PackWeights(run.weights.recurrent, WeightOrder::Of(s.gates(), s.outputs), scratch);
  if (s.projects)
    PackWeights(run.weights.projection, WeightOrder::Of(s.outputs, s.hidden),
                scratch + PackedSize(s.gates(), s.outputs));
}
void RunLstm(const RecurrentForward& run, const float* scratch, std::span<const Course> group) {
  LstmForwardGroup(run, scratch, group).Run();
}

size_t LstmBackwardScratch(const RecurrentShape& s) {
  return PackedSize(s.outputs, s.gates()) + (s.projects ? PackedSize(s.hidden, s.outputs) : 0);
}
void PackLstm(const RecurrentBackward& run, float* scratch) {
  const RecurrentShape& s = run.shape;
  PackWeights(run.weights.recurrent, WeightOrder::Back(s.gates(), s.outputs), scratch);
  if (s.projects)
    PackWeights(run.weights.projection, WeightOrder::Back(s.outputs, s.hidden),
                scratch + PackedSize(s.outputs, s.gates()));
}
void RunLstm(const RecurrentBackward& run, const float* scratch, std::span<const Course> group) {
  LstmBackwardGroup(run, scratch, group).Run();
}

}  // namespace normkit::recurrent
