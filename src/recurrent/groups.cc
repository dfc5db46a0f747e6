#include "src/recurrent/groups.h"

namespace normkit::recurrent {
namespace {

// Rows whose products with the input weights are computed at once: enough to read the weights
// seldom, few enough to stay in the cache until their steps come.
constexpr int64_t kChunkRows = 64;

struct ForwardNumbersTag;
struct BackwardNumbersTag;

}  // namespace

RecurrentKept RecurrentKept::In(float* memory, const RecurrentShape& shape, int64_t rows) {
  RecurrentKept kept;
  const auto take = [&](int64_t width) { return std::exchange(memory, memory + rows * width); };
  kept.gates = take(shape.gates());
  if (!shape.is_lstm()) {
    kept.candidate = take(shape.hidden);
    return kept;
  }
  kept.c = take(shape.hidden);
  kept.state_c = take(shape.hidden);
  if (shape.projects) kept.unprojected = take(shape.hidden);
  if (!shape.normalizes) return kept;
  kept.recurrent_norm = take(shape.gates());
  kept.cell_norm = take(shape.hidden);
  kept.rstds = take(2);
  return kept;
}

size_t RecurrentKept::Size(const RecurrentShape& shape, int64_t rows) {
  const int64_t others = !shape.is_lstm() ? 1 : shape.projects ? 3 : 2;
  const int64_t norms = shape.normalizes ? shape.gates() + shape.hidden + 2 : 0;
  return static_cast<size_t>(rows * (shape.gates() + others * shape.hidden + norms));
}

// The bias of the gates lies in front of the packed weights: of GRU it is a sum.
size_t RecurrentForward::Scratch(const RecurrentShape& s) {
  return WholeLines(static_cast<size_t>(s.gates())) + InputFloats(s) +
         (s.is_lstm() ? LstmForwardScratch(s) : GruForwardScratch(s));
}

namespace {

// Behind the bias and the packed input weights.
size_t OwnOffset(const RecurrentShape& s) {
  return WholeLines(static_cast<size_t>(s.gates())) + InputFloats(s);
}

}  // namespace

void RecurrentForward::Pack(float* scratch) const {
  if (shape.normalizes) return PackLstm(*this, scratch + OwnOffset(shape));
  std::copy_n(weights.bias, shape.gates(), scratch);
  if (weights.recurrent_bias && !shape.resets_before)
    for (int64_t i = 0; i < 2 * shape.hidden; ++i) scratch[i] += weights.recurrent_bias[i];
  PackWeights(weights.input, WeightOrder::Of(shape.gates(), shape.inputs),
              scratch + WholeLines(static_cast<size_t>(shape.gates())));
  float* own = scratch + OwnOffset(shape);
  return shape.is_lstm() ? PackLstm(*this, own) : PackGru(*this, own);
}

void RecurrentForward::Run(const float* scratch, std::span<const Course> group) const {
  if (group.empty()) return;
  if (shape.normalizes) return RunNormalizedLstm(*this, scratch, group);
  return shape.is_lstm() ? RunLstm(*this, scratch, group) : RunGru(*this, scratch, group);
}

size_t RecurrentBackward::Scratch(const RecurrentShape& s) {
  return s.is_lstm() ? LstmBackwardScratch(s) : GruBackwardScratch(s);
}
void RecurrentBackward::Pack(float* scratch) const {
  return shape.is_lstm() ? PackLstm(*this, scratch) : PackGru(*this, scratch);
}
void RecurrentBackward::Run(const float* scratch, std::span<const Course> group) const {
  if (group.empty()) return;
  if (shape.normalizes) return RunNormalizedLstm(*this, scratch, group);
  return shape.is_lstm() ? RunLstm(*this, scratch, group) : RunGru(*this, scratch, group);
}

// ---- Forward ------------------------------------------------------------------------------------

ForwardGroup::ForwardGroup(const RecurrentForward& run, const float* scratch,
                           std::span<const Course> group, int64_t lists, int64_t numbers)
    : GroupBase(run.shape, group),
      run_(run),
      lists_(lists + 2, std::max(size_, kChunkRows)),
      input_{scratch + WholeLines(static_cast<size_t>(s_.gates())), s_.gates(), s_.inputs,
             Begin::kBias, scratch},
      x_(lists_.Take()),
      gates_(lists_.Take()) {
  const int64_t width = std::max(s_.hidden, s_.outputs),
                own = run.kept.gates ? 0 : std::max(size_, kChunkRows) * s_.gates(),
                states = run.kept.gates ? 0 : size_ * s_.hidden;
  zeros_ = normkit::Scratch<ForwardNumbersTag, float>(
      static_cast<size_t>(width + own + states + numbers));
  std::fill_n(zeros_, width, 0.f);
  gate_rows_ = zeros_ + width;
  c_rows_ = gate_rows_ + own;
  numbers_ = c_rows_ + states;
}

void ForwardGroup::Run() {
  const int64_t longest = course(0).length;
  for (int64_t begin = 0; begin < longest;) {
    int64_t alive = CountAlive(group_, begin), done = 0;
    const int64_t end = std::min(longest, begin + std::max<int64_t>(1, kChunkRows / alive));
    MultiplyInputs(begin, end);
    for (int64_t t = begin; t < end; ++t) {
      while (course(alive - 1).length <= t) --alive;
      Step(t, alive, gates_ + done);
      done += alive;
    }
    begin = end;
  }
  End();
}

// Of all rows of steps [begin, end), where x is not their sums already.
void ForwardGroup::MultiplyInputs(int64_t begin, int64_t end) {
  int64_t count = 0;
  for (int64_t t = begin; t < end; ++t)
    ForAlive(CountAlive(group_, t), [&](int64_t, const Course& of) {
      x_[count] = Readable(run_.x) + of.Row(t) * s_.inputs;
      gates_[count] = run_.kept.gates ? run_.kept.gates + of.Row(t) * s_.gates()
                                      : gate_rows_ + count * s_.gates();
      ++count;
    });
  if (!s_.normalizes) return input_.Run(x_, gates_, count);
  for (int64_t i = 0; i < count; ++i) std::copy_n(x_[i], s_.gates(), gates_[i]);
}

void ForwardGroup::End() const {
  const auto& end = run_.end;
  ForAlive(size_, [&](int64_t i, const Course& of) {
    const int64_t last = of.length - 1;
    if (end.h) std::copy_n(H(of, last), s_.outputs, end.h + of.observation * end.h_step);
    if (end.c) std::copy_n(C(i, of, last), s_.hidden, end.c + of.observation * end.c_step);
  });
}

// ---- Backward -----------------------------------------------------------------------------------

BackwardGroup::BackwardGroup(const RecurrentBackward& run, std::span<const Course> group,
                             int64_t lists, int64_t numbers)
    : GroupBase(run.shape, group), run_(run), lists_(lists, size_) {
  const int64_t width = std::max(s_.hidden, s_.outputs);
  zeros_ = normkit::Scratch<BackwardNumbersTag, float>(
      static_cast<size_t>((2 * size_ + 1) * width + numbers));
  std::fill_n(zeros_, width, 0.f);
  dh_ = zeros_ + width;
  dc_ = dh_ + size_ * width;
  numbers_ = dc_ + size_ * width;
}

void BackwardGroup::Run() {
  int64_t alive = 0;
  for (int64_t t = course(0).length - 1; t >= 0; --t) {
    for (; alive < size_ && course(alive).length > t; ++alive) Enter(alive);
    Step(t, alive);
  }
  Begin();
}

// An observation at its last step.
void BackwardGroup::Enter(int64_t i) const {
  const auto& end = run_.dend;
  const int64_t b = course(i).observation;
  std::copy_n(AtOr(end.h, b, end.h_step, zeros_), s_.outputs, Dh(i));
  if (s_.is_lstm()) std::copy_n(AtOr(end.c, b, end.c_step, zeros_), s_.hidden, Dc(i));
}

float* BackwardGroup::Given(const Course& of, int64_t t) const {
  if (!run_.of_last_row) return AtOr(run_.dh, of.Row(t), run_.dh_step, zeros_);
  return t + 1 == of.length ? AtOr(run_.dh, of.observation, run_.dh_step, zeros_) : zeros_;
}

void BackwardGroup::Begin() const {
  const auto& to = run_.dbegin;
  const auto give = [](const float* from, int64_t n, bool add, float* into) {
    for (int64_t k = 0; k < n; ++k) into[k] = add ? into[k] + from[k] : from[k];
  };
  ForAlive(size_, [&](int64_t i, const Course& of) {
    if (to.h) give(Dh(i), s_.outputs, run_.add_h, to.h + of.observation * to.h_step);
    if (to.c) give(Dc(i), s_.hidden, run_.add_c, to.c + of.observation * to.c_step);
  });
}

}  // namespace normkit::recurrent
