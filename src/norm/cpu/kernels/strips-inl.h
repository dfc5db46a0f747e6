// Batch normalization of few observations, channels last: strips of neighbouring channels, each
// reduced, finished and written while it is in the cache, with all that belongs to its channels.
#if defined(NORMKIT_STRIPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_STRIPS_INL_H_
#undef NORMKIT_STRIPS_INL_H_
#else
#define NORMKIT_STRIPS_INL_H_
#endif

#include "src/norm/cpu/kernels/few_strips-inl.h"
#include "src/norm/cpu/kernels/forward-inl.h"
#include "src/norm/cpu/kernels/gradient-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

struct StripCellsTag;
struct StripNumbersTag;

// The strips of one task: one after the other in the same memory.
template <class T>
class ChannelStrips {
  using R = Real<T>;
  static constexpr int64_t kRoom = kStripRoom<R>, kWideRoom = kStripRoom<double>;
  static constexpr int64_t kNumbers = 2;

 public:
  explicit ChannelStrips(const Geometry& g)
      : g_(g),
        cut_(ColumnCut::ForStrips(g.reduce)),
        cells_(Scratch<StripCellsTag, R>(CoefficientTable::kBackwardArrays * kRoom)),
        numbers_(Scratch<StripNumbersTag, double>(kNumbers * kWideRoom)) {}

  // Goes to a strip.
  HWY_INLINE void Start(int64_t strip) { columns_ = cut_.Strip(strip, 0); }
  // Leaves of it the columns from `column` on, whose coefficients the job is given.
  HWY_INLINE void StartAt(int64_t column, Job& job) {
    columns_.first_column = column;
    job.table = {cells_, kRoom, column};
  }
  const ColumnTask& columns() const { return columns_; }
  int64_t first() const { return columns_.first_column; }
  int64_t last() const { return columns_.last_column; }
  int64_t width() const { return last() - first(); }
  RunTask runs() const { return {0, g_.num_runs, first(), last()}; }
  // The k-th of kNumbers arrays, with a number for each column.
  double* Numbers(int64_t k) const { return numbers_ + k * kWideRoom; }

 private:
  const Geometry& g_;
  const ColumnCut cut_;
  R* const cells_;
  double* const numbers_;
  ColumnTask columns_ = {};
};

// Reduces and applies strips [first, last).
template <class T>
void ForwardStrips(const ForwardJob& whole, int64_t first, int64_t last) {
  ForwardJob job = whole;
  ChannelStrips<T> strip(*job.geometry);
  double* mean = strip.Numbers(0);
  double* m2 = strip.Numbers(1);
  const auto n = static_cast<double>(job.geometry->plan.num_reduced);
  for (int64_t i = first; i < last; ++i) {
    strip.Start(i);
    if (job.prepares()) PrepareRuns<T>(job, strip.runs());
    int64_t done = strip.first();
#if HWY_TARGET <= HWY_AVX2
    if constexpr (kHasFewStrips<T>) done = FewStrips<T>::Forward(job, done, strip.last());
#endif
    if (done == strip.last()) continue;
    strip.StartAt(done, job);
    ReduceColumns<T>(job, strip.columns(), mean, m2);
    FinishColumns(job, n, mean, m2, strip.first(), strip.width());
    FillTable<Real<T>>(job, strip.first(), strip.last());
    ApplyRuns<T>(job, strip.runs());
  }
}

// The backward pass of the columns that are left of a strip: dx, where wanted, and the sums of
// their parameters.
template <class T>
void BackwardColumnsOf(BackwardJob& job, const ChannelStrips<T>& strip, double* dgamma,
                       double* dbeta) {
  using R = Real<T>;
  using Table = CoefficientTable;
  const XhatMeans means{strip.Numbers(0), strip.Numbers(1)};
  const int64_t c = strip.first(), n = strip.width();
  const R* gamma = static_cast<const R*>(job.gamma) + c;
  FillTable<R>(job, c, strip.last());
  ReduceGradientColumns<T>(job, strip.columns(), {dbeta, dgamma});
  XhatSums<R>(n, job.mean + c, job.rstd + c, dbeta, dgamma);
  if (!job.dx) return;
  means.Clear(n);
  if (!job.fixed) WeighCells<R>(n, gamma, dbeta, dgamma, means.w, means.w_xhat);
  const auto count = static_cast<double>(job.geometry->plan.num_reduced);
  means.Divide(n, count, SquaresDivisor(job.divisor, count), job.center);
  FillThrough<R>(n, job.one_cell, gamma, job.mean + c, job.rstd + c, means.w, means.w_xhat,
                 job.table.Get<R>(Table::kThroughSlope, c),
                 job.table.Get<R>(Table::kThroughOffset, c), job.table.Get<R>(Table::kShift, c));
  ApplyGradientRuns<T>(job, strip.runs());
}

// Sums of n parameters from `first` on, to where they go straight.
inline HWY_NOINLINE void StoreStraight(const BackwardJob& job, int64_t first, int64_t n,
                                       const double* dgamma, const double* dbeta) {
  HWY_ALIGN float narrow[kMaxStripColumns] = {};  // GCC does not see that all are set
  const auto store = [&](const double* sums, float* to) {
    for (int64_t i = 0; i < n; ++i) narrow[i] = static_cast<float>(sums[i]);
    RunWriter<float> writer(job.stream_parameters);
    WriteBuffered(narrow, to, first, n, writer);
  };
  store(dgamma, job.dgamma), store(dbeta, job.dbeta);
}

// The same of a whole strip.
template <class T>
void TakeStrip(const BackwardJob& whole, ChannelStrips<T>& strip, double* dgamma, double* dbeta) {
  BackwardJob job = whole;
  const int64_t first = strip.first();
  int64_t done = first;
  if (job.prepares()) {
    strip.StartAt(first, job);
    FillTable<Real<T>>(job, first, strip.last());  // for what is activated again
    PrepareRuns<T>(job, strip.runs());
  }
#if HWY_TARGET <= HWY_AVX2
  if constexpr (kHasFewStrips<T>)
    done = FewStrips<T>::Backward(job, first, strip.last(), dgamma, dbeta);
#endif
  if (done == strip.last()) return;
  strip.StartAt(done, job);
  BackwardColumnsOf(job, strip, dgamma + done - first, dbeta + done - first);
}
template <class T>
void BackwardStrip(const BackwardJob& job, int64_t index, double* dgamma, double* dbeta) {
  ChannelStrips<T> strip(*job.geometry);
  strip.Start(index);
  const int64_t first = strip.first(), n = strip.width();
  TakeStrip(job, strip, dgamma, dbeta);
  if (job.straight) StoreStraight(job, first, n, dgamma, dbeta);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_STRIPS_INL_H_
