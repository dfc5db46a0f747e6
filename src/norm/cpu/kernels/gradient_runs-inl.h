// The backward pass of any runs in element form whose elements have a parameter each and share one
// statistic; the runs of a statistic may lie apart, and start at different parameters.
#if defined(NORMKIT_GRADIENT_RUNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_RUNS_INL_H_
#undef NORMKIT_GRADIENT_RUNS_INL_H_
#else
#define NORMKIT_GRADIENT_RUNS_INL_H_
#endif

#include "src/norm/cpu/kernels/gradient_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

struct SlotSumsTag;
struct SlotCountsTag;
struct UnwantedTag;

// Takes runs one after the other, counted statistic by statistic. The sums of parameters are kept
// in the arithmetic's type for a few runs, then go to f64.
template <class T, bool kRelu>
class RunBackward {
  using R = Real<T>;
  using D = Tag<T>;
  static constexpr int64_t kLanesOfLine = 64 / sizeof(R);
  static constexpr int64_t kRuns = 32;    // that one f32 sum takes
  static constexpr int64_t kPart = 4096;  // elements of results that nobody wants

 public:
  explicit RunBackward(const Job& job)
      : job_(job),
        g_(*job.geometry),
        per_unit_(g_.elements.reduced.size()),
        writer_(job.dx && job.stream) {}

  // Sums of w and w * (x - hi) over one chunk (row_blocks.h) of the runs of a unit.
  void Sum(int64_t unit, int64_t chunk, double* sums) const {
    const RowBlocks blocks(g_.elements);
    const int64_t first = chunk * RowBlocks::kChunkBlocks;
    const int64_t last = std::min(first + RowBlocks::kChunkBlocks, blocks.num_blocks());
    sums[0] = sums[1] = 0;
    for (int64_t b = first; b < last; ++b) {
      const Block block = blocks.Get(b);
      LaneSums<R> lanes;
      for (int64_t s = 0; s < block.segments; ++s)
        lanes.AddRun(Terms(unit, block.first_segment + s, block.offset), block.length);
      sums[0] += lanes.First();
      sums[1] += lanes.Second();
    }
  }

  // dx of the task's parts of runs, and what they add to dgamma and dbeta.
  void Run(const RunTask& task, bool gather, double* dgamma, double* dbeta) {
    Start(task.end - task.begin);
    for (int64_t run = task.first_run; run < task.last_run; ++run) {
      const int64_t unit = run / per_unit_, k = run % per_unit_;
      if (gather && k == 0) Gather(unit);
      const int64_t slot = Param(unit, k) / g_.run_length;
      Write(unit, k, task.begin, sums_ + 2 * padded_ * slot);
      if (++counts_[slot] == kRuns) Flush(slot, task.begin, dgamma, dbeta);
    }
    for (int64_t slot = 0; slot < slots_; ++slot) Flush(slot, task.begin, dgamma, dbeta);
  }

 private:
  int64_t Param(int64_t unit, int64_t k) const {
    return g_.kept_param.Offset(unit) + g_.reduced_param.Offset(k);
  }

  RowGradientTerms<T, kRelu> Terms(int64_t unit, int64_t k, int64_t begin) const {
    const int64_t at = g_.elements.kept.Offset(unit) + g_.elements.reduced.Offset(k) + begin;
    const int64_t param = Param(unit, k) + begin;
    return {static_cast<const T*>(job_.x) + at, static_cast<const T*>(job_.dy) + at,
            static_cast<const R*>(job_.gamma) + param, static_cast<const R*>(job_.beta) + param,
            RowForm<T>(job_, unit)};
  }

  // E[w] and E[w * xhat] of a unit.
  void Gather(int64_t unit) const {
    const int64_t chunks = RowBlocks(g_.elements).num_chunks();
    double w = 0, w_x = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      double sums[2];
      Sum(unit, chunk, sums);
      w += sums[0];
      w_x += sums[1];
    }
    const auto count = static_cast<double>(g_.plan.num_reduced);
    job_.mean_w[unit] = job_.center ? w / count : 0;
    job_.mean_w_xhat[unit] = XhatSum(job_, unit, w, w_x) / count;
  }

  // Clears the sums of parts of runs, one for each place where a run's parameters may start.
  void Start(int64_t length) {
    length_ = length;
    padded_ = (length + kLanesOfLine - 1) / kLanesOfLine * kLanesOfLine;
    slots_ = g_.plan.num_param / g_.run_length;
    sums_ = Scratch<SlotSumsTag, R>(static_cast<size_t>(2 * padded_ * slots_));
    counts_ = Scratch<SlotCountsTag, int64_t>(static_cast<size_t>(slots_));
    std::fill_n(sums_, 2 * padded_ * slots_, R(0));
    std::fill_n(counts_, slots_, int64_t{0});
  }

  void Flush(int64_t slot, int64_t begin, double* dgamma, double* dbeta) {
    R* sums = sums_ + 2 * padded_ * slot;
    dgamma += slot * g_.run_length + begin;
    dbeta += slot * g_.run_length + begin;
    for (int64_t i = 0; i < length_; ++i) dgamma[i] += static_cast<double>(sums[i]);
    for (int64_t i = 0; i < length_; ++i) dbeta[i] += static_cast<double>(sums[padded_ + i]);
    std::fill_n(sums, 2 * padded_, R(0));
    counts_[slot] = 0;
  }

  // dx of a part of a run; its terms go into sums.
  void Write(int64_t unit, int64_t k, int64_t begin, R* sums) {
    const auto through = ThroughOf<R>(job_, unit);
    const V b = hn::Set(D(), through.b), constant = hn::Set(D(), through.e);
    if (job_.dx) {
      const auto terms = Terms(unit, k, begin);
      T* dx = static_cast<T*>(job_.dx) + (terms.x - static_cast<const T*>(job_.x));
      return writer_.Write(RowGradient<T, kRelu>{terms, job_.accumulate ? dx : nullptr, b, constant,
                                                 sums, sums + padded_},
                           dx, length_);
    }
    for (int64_t i = 0; i < length_; i += kPart) {
      const RowGradient<T, kRelu> gradient{
          Terms(unit, k, begin + i), nullptr, b, constant, sums + i, sums + padded_ + i};
      StoreRun(gradient, Scratch<UnwantedTag, T>(kPart), std::min(kPart, length_ - i));
    }
  }

  using V = Vector<T>;
  const Job& job_;
  const Geometry& g_;
  const int64_t per_unit_;  // runs
  RunWriter<T> writer_;
  int64_t length_ = 0;  // of the parts of runs
  int64_t padded_ = 0;  // the same in whole cache lines
  int64_t slots_ = 0;
  R* sums_ = nullptr;  // of each slot those of dgamma, then of dbeta
  int64_t* counts_ = nullptr;
};

// Sums of w and w * (x - hi) over one chunk of the runs of a unit.
template <class T>
void ReduceElementRuns(const Job& job, int64_t unit, int64_t chunk, double* sums) {
  job.relu ? RunBackward<T, true>(job).Sum(unit, chunk, sums)
           : RunBackward<T, false>(job).Sum(unit, chunk, sums);
}

template <class T>
void BackwardRuns(const Job& job, const RunTask& task, bool gather, double* dgamma, double* dbeta) {
  job.relu ? RunBackward<T, true>(job).Run(task, gather, dgamma, dbeta)
           : RunBackward<T, false>(job).Run(task, gather, dgamma, dbeta);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_RUNS_INL_H_
