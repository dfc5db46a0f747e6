// The kernels of the forward pass, as entries of the table.
#if defined(NORMKIT_FORWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FORWARD_INL_H_
#undef NORMKIT_FORWARD_INL_H_
#else
#define NORMKIT_FORWARD_INL_H_
#endif

#include "src/norm/cpu/finish.h"
#include "src/norm/cpu/kernels/prepare-inl.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"
#include "src/norm/cpu/kernels/table.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

template <class T>
HWY_INLINE UnitOf<T> UnitStart(const ForwardJob& job, int64_t unit) {
  return {job.x, job.geometry->reduce.kept.Offset(unit)};
}

template <class T, bool kCenter>
Moments ReduceChunk(const ForwardJob& job, int64_t unit, int64_t chunk) {
  const RowBlocks blocks(job.geometry->reduce);
  RowMoments<T, kCenter> moments;
  const int64_t first = blocks.chunk_begin(chunk), last = blocks.chunk_begin(chunk + 1);
  moments.Start(blocks, UnitStart<T>(job, unit), job.read_ahead, first);
  for (int64_t b = first; b < last; ++b) moments.Step();
  return moments.Finish();
}

template <class T>
Moments ReduceRows(const ForwardJob& job, int64_t unit, int64_t chunk) {
  return job.center ? ReduceChunk<T, true>(job, unit, chunk)
                    : ReduceChunk<T, false>(job, unit, chunk);
}

template <class T>
void ApplyRuns(const ForwardJob& job, const RunTask& task) {
  WriteTask<T>(job, task, ApplyPart<T>{job});
}

template <class T, bool kCenter>
HWY_NOINLINE void UnitStatistics(const ForwardJob& job, const RowBlocks& blocks, int64_t unit) {
  RowMoments<T, kCenter> moments;
  moments.Start(blocks, UnitStart<T>(job, unit), job.read_ahead);
  for (int64_t b = 0; b < blocks.num_blocks(); ++b) moments.Step();
  FinishStatistic(job, unit, moments.Finish());
}

// Statistics from sums of n elements each around a shift, some at a time; to the bit what
// RowMoments and FinishStatistic make of them.
struct SmallSums {
  HWY_ALIGN double shift[kMaxGroup], sum[kMaxGroup], squares[kMaxGroup];

  HWY_INLINE void Finish(const ForwardJob& job, double n, int64_t first, int64_t count) {
    using D = hn::ScalableTag<double>;
    const D d;
    const auto vn = hn::Set(d, n), one = hn::Set(d, 1.0), epsilon = hn::Set(d, job.epsilon);
    const auto divisor = hn::Set(d, SquaresDivisor(job.divisor, n));
    for (int64_t u = 0; u < count; u += static_cast<int64_t>(hn::MaxLanes(D()))) {
      const auto s = hn::Load(d, sum + u), offset = hn::Div(s, vn);
      const auto m2 = hn::Sub(hn::Load(d, squares + u), hn::Mul(s, offset));
      const auto variance = hn::Div(hn::Max(hn::Zero(d), m2), divisor);
      hn::Store(hn::Add(hn::Load(d, shift + u), offset), d, shift + u);
      hn::Store(variance, d, squares + u);
      hn::Store(hn::Div(one, hn::Sqrt(hn::Add(variance, epsilon))), d, sum + u);
    }
    std::copy_n(shift, count, job.saved.mean + first);
    std::copy_n(sum, count, job.saved.rstd + first);
    if (job.saved.variance) std::copy_n(squares, count, job.saved.variance + first);
  }
};

// Statistics of units [first, last) of one block each. What one unit waits for (the end of a sum, a
// division, a square root) others fill: alone, a row of 768 waits longer than it adds.
template <class T, bool kCenter>
HWY_INLINE void SmallStatistics(const ForwardJob& job, const RowBlocks& blocks, int64_t first,
                                int64_t last) {
  using M = RowMoments<T, kCenter>;
  const Block block = blocks.Get(0);
  const auto n = static_cast<double>(job.geometry->reduce.num_reduced());
  const int64_t count = last - first;
  SmallSums sums = {};
  Real<T> shift[kMaxGroup] = {};
  for (int64_t u = 0; u < count && kCenter; ++u) {
    shift[u] = M::Guess(blocks, UnitStart<T>(job, first + u), block);
    sums.shift[u] = static_cast<double>(shift[u]);
  }
  bool good = true;
  for (int64_t u = 0; u < count; ++u) {
    M::Sum(blocks, UnitStart<T>(job, first + u), block, shift[u], job.read_ahead, &sums.sum[u],
           &sums.squares[u]);
    good &= M::IsGood(n, sums.sum[u], sums.squares[u]);
  }
  if (good) return sums.Finish(job, n, first, count);
  for (int64_t u = first; u < last; ++u) UnitStatistics<T, kCenter>(job, blocks, u);
}

// Units [first, last), some at a time: reduced one by one, then applied together while they are in
// the cache. To reduce between the stores, block by block, costs more than it hides: it breaks the
// streams that processors prefetch.
template <class T, bool kCenter>
void ForwardUnits(const ForwardJob& job, int64_t first, int64_t last) {
  const RowBlocks blocks(job.geometry->reduce);
  RunWriter<T> writer(job.stream);
  for (int64_t unit = first; unit < last; unit += job.group) {
    const int64_t end = std::min(unit + job.group, last);
    PrepareUnits<T>(job, unit, end);
    if (blocks.num_blocks() == 1)
      SmallStatistics<T, kCenter>(job, blocks, unit, end);
    else
      for (int64_t u = unit; u < end; ++u) UnitStatistics<T, kCenter>(job, blocks, u);
    WriteCellUnits(job, unit, end, ApplyPart<T>{job}, writer);
  }
}

template <class T>
void ForwardRows(const ForwardJob& job, int64_t first, int64_t last) {
  if (job.center)
    ForwardUnits<T, true>(job, first, last);
  else
    ForwardUnits<T, false>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FORWARD_INL_H_
