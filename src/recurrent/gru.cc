#include "src/recurrent/groups.h"

namespace normkit::recurrent {
namespace {

class GruForwardGroup : public ForwardGroup {
 public:
  GruForwardGroup(const RecurrentForward& run, const float* scratch, std::span<const Course> group)
      : ForwardGroup(run, scratch, group, 4, std::ssize(group) * run.shape.hidden) {
    scratch += RecurrentForward::Scratch(s_) - GruForwardScratch(s_);
    gates_product_ = {scratch, 2 * s_.hidden, s_.hidden, Begin::kThere};
    scratch += PackedSize(2 * s_.hidden, s_.hidden);
    candidate_product_ = {scratch, s_.hidden, s_.hidden};
    if (s_.resets_before) {
      candidate_product_.begin = Begin::kThere;
    } else if (run.weights.recurrent_bias) {
      candidate_product_.begin = Begin::kBias;
      candidate_product_.bias = run.weights.recurrent_bias + 2 * s_.hidden;
    }
    h_before_ = lists_.Take(), h_ = lists_.Take();
    candidate_ = lists_.Take(), sums_ = lists_.Take();
  }

 private:
  void Step(int64_t t, int64_t alive, float** gates) override {
    const bool keeps = run_.kept.candidate;
    ForAlive(alive, [&](int64_t i, const Course& of) {
      h_before_[i] = HBefore(of, t);
      h_[i] = H(of, t);
      candidate_[i] =
          keeps ? run_.kept.candidate + of.Row(t) * s_.hidden : numbers_ + i * s_.hidden;
      sums_[i] = gates[i] + 2 * s_.hidden;
    });
    gates_product_.Run(h_before_, gates, alive);
    const GruCells cells{s_.functions, s_.hidden, keeps, gates, candidate_, h_before_, h_};
    if (!s_.resets_before) {
      candidate_product_.Run(h_before_, candidate_, alive);
      return cells.Forward(alive);
    }
    cells.Reset(alive);
    candidate_product_.Run(candidate_, sums_, alive);
    cells.Finish(alive);
  }

  RowProduct gates_product_, candidate_product_;
  float **h_before_, **h_, **candidate_, **sums_;
};

class GruBackwardGroup : public BackwardGroup {
 public:
  GruBackwardGroup(const RecurrentBackward& run, const float* scratch,
                   std::span<const Course> group)
      : BackwardGroup(run, group, 8, std::ssize(group) * run.shape.hidden) {
    if (s_.resets_before) {
      gates_product_ = {scratch, s_.hidden, 2 * s_.hidden, products::Begin::kThere};
      candidate_product_ = {scratch + PackedSize(s_.hidden, 2 * s_.hidden), s_.hidden, s_.hidden};
    } else {
      gates_product_ = {scratch, s_.hidden, 3 * s_.hidden, products::Begin::kThere};
    }
    gates_ = lists_.Take(), candidate_ = lists_.Take(), h_before_ = lists_.Take();
    given_ = lists_.Take(), dh_ = lists_.Take(), dgates_ = lists_.Take();
    drecurrent_ = lists_.Take(), dcandidate_ = lists_.Take();
  }

 private:
  void Step(int64_t t, int64_t alive) override {
    const auto& begin = run_.begin;
    ForAlive(alive, [&](int64_t i, const Course& of) {
      const int64_t row = of.Row(t), hidden = s_.hidden;
      gates_[i] = run_.kept.gates + row * s_.gates();
      candidate_[i] = run_.kept.candidate + row * hidden;
      h_before_[i] = t > 0 ? Readable(run_.h) + of.Row(t - 1) * run_.h_step
                           : AtOr(begin.h, of.observation, begin.h_step, zeros_);
      given_[i] = Given(of, t);
      dh_[i] = Dh(i);
      dgates_[i] = run_.dgates + row * s_.gates();
      drecurrent_[i] = run_.drecurrent + row * (s_.resets_before ? 2 : 3) * hidden;
      if (s_.resets_before) dcandidate_[i] = run_.dcandidate + row * hidden;
    });
    const GruCellGradients cells{
        s_.functions, s_.hidden, gates_,  candidate_,  h_before_,
        given_,       dh_,       dgates_, drecurrent_, s_.resets_before ? dcandidate_ : nullptr};
    if (s_.resets_before) {
      cells.Finish(alive);
      ForAlive(alive, [&](int64_t i, const Course&) { given_[i] = numbers_ + i * s_.hidden; });
      candidate_product_.Run(dcandidate_, given_, alive);
      cells.Reset(alive);
    } else {
      cells.Backward(alive);
    }
    if (wants_h_before(t)) gates_product_.Run(drecurrent_, dh_, alive);
  }

  RowProduct gates_product_, candidate_product_;
  float **gates_, **candidate_, **h_before_, **given_, **dh_, **dgates_, **drecurrent_,
      **dcandidate_;
};

}  // namespace

size_t GruForwardScratch(const RecurrentShape& s) {
  return PackedSize(2 * s.hidden, s.hidden) + PackedSize(s.hidden, s.hidden);
}
void PackGru(const RecurrentForward& run, float* scratch) {
  const int64_t hidden = run.shape.hidden;
  PackWeights(run.weights.recurrent, WeightOrder::Of(2 * hidden, hidden), scratch);
  PackWeights(run.weights.recurrent + 2 * hidden * hidden, WeightOrder::Of(hidden, hidden),
              scratch + PackedSize(2 * hidden, hidden));
}
void RunGru(const RecurrentForward& run, const float* scratch, std::span<const Course> group) {
  GruForwardGroup(run, scratch, group).Run();
}

size_t GruBackwardScratch(const RecurrentShape& s) {
  return s.resets_before ? PackedSize(s.hidden, 2 * s.hidden) + PackedSize(s.hidden, s.hidden)
                         : PackedSize(s.hidden, 3 * s.hidden);
}
void PackGru(const RecurrentBackward& run, float* scratch) {
  const int64_t hidden = run.shape.hidden;
  if (!run.shape.resets_before)
    return PackWeights(run.weights.recurrent, WeightOrder::Back(3 * hidden, hidden), scratch);
  PackWeights(run.weights.recurrent, WeightOrder::Back(2 * hidden, hidden), scratch);
  PackWeights(run.weights.recurrent + 2 * hidden * hidden, WeightOrder::Back(hidden, hidden),
              scratch + PackedSize(hidden, 2 * hidden));
}
void RunGru(const RecurrentBackward& run, const float* scratch, std::span<const Course> group) {
  GruBackwardGroup(run, scratch, group).Run();
}

}  // namespace normkit::recurrent
