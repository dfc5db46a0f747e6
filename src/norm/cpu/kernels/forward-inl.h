// The kernels of the forward pass, as entries of the table.
#if defined(NORMKIT_FORWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FORWARD_INL_H_
#undef NORMKIT_FORWARD_INL_H_
#else
#define NORMKIT_FORWARD_INL_H_
#endif

#include "src/norm/cpu/finish.h"
#include "src/norm/cpu/kernels/few_vectors-inl.h"
#include "src/norm/cpu/kernels/long_rows-inl.h"
#include "src/norm/cpu/kernels/narrow-inl.h"
#include "src/norm/cpu/kernels/paired-inl.h"
#include "src/norm/cpu/kernels/prepare-inl.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"
#include "src/norm/cpu/kernels/table.h"
#include "src/norm/cpu/kernels/turned-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

template <class T>
HWY_INLINE UnitOf<T> UnitStart(const ForwardJob& job, int64_t unit) {
  return {job.x, job.geometry->reduce.kept.Offset(unit)};
}

// Of at most kUnits units.
template <class T, bool kCenter, int64_t kUnits>
void ReduceChunk(const ForwardJob& job, const UnitsOfChunk& task, Moments* moments) {
  const RowBlocks blocks(job.geometry->reduce);
  const int64_t first = blocks.chunk_begin(task.chunk), count = task.last - task.first;
  const int64_t last = blocks.chunk_begin(task.chunk + 1);
  RowMoments<T, kCenter> units[kUnits];
  for (int64_t u = 0; u < count; ++u)
    units[u].Start(blocks, UnitStart<T>(job, task.first + u), job.read_ahead, first);
  for (int64_t b = first; b < last; ++b)
    for (int64_t u = 0; u < count; ++u) units[u].Step();
  for (int64_t u = 0; u < count; ++u) moments[u] = units[u].Finish();
}

template <class T, bool kCenter>
void ReduceChunkOfUnits(const ForwardJob& job, const UnitsOfChunk& task, Moments* moments) {
  task.last - task.first == 1 ? ReduceChunk<T, kCenter, 1>(job, task, moments)
                              : ReduceChunk<T, kCenter, kMaxGroup>(job, task, moments);
}

template <class T>
void ReduceRows(const ForwardJob& job, const UnitsOfChunk& task, Moments* moments) {
  job.center ? ReduceChunkOfUnits<T, true>(job, task, moments)
             : ReduceChunkOfUnits<T, false>(job, task, moments);
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

// Sums of `count` units of one block each, from `first` on; false where they are no good.
template <class T, bool kCenter>
HWY_INLINE bool SumUnits(const ForwardJob& job, const RowBlocks& blocks, int64_t first,
                         int64_t count, SmallSums& sums) {
  using M = RowMoments<T, kCenter>;
  const Block block = blocks.Get(0);
  if constexpr (!kOwnWays<T>) {
    if (IsNarrow<T>(job))
      return SumNarrow<T, kCenter>(UnitStart<T>(job, first).dense(), block.length, count, sums);
  }
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  if constexpr (kOwnWays<T>) {
    using Few = FewVectors<T, kCenter>;
    if (AreRuns(job) && Few::Suits(block.length)) {
      Few::Add(job.x.Rows<T>(first * block.length, block.length), block.length, count,
               job.read_ahead, sums);
      return true;
    }
  }
  if constexpr (kFoldsBlocks<T>) {
    using Rows = BlockRows<T, kCenter>;
    if (AreRuns(job) && (kPaired<T> || job.read_ahead == 0) && Rows::Suits(block.length, count))
      return Rows::Add(job.x.Rows<T>(first * block.length, block.length), block.length, count,
                       job.read_ahead, sums);
  }
#endif
  const auto n = static_cast<double>(job.geometry->reduce.num_reduced());
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
  return good;
}

// Of units of which some have sums that are not good, those of these anew.
template <class T, bool kCenter>
HWY_NOINLINE void MendUnits(const ForwardJob& job, const RowBlocks& blocks, int64_t first,
                            int64_t count, SmallSums& sums) {
  using M = RowMoments<T, kCenter>;
  const auto n = static_cast<double>(job.geometry->reduce.num_reduced());
  sums.mended = true;
  std::fill_n(sums.factor, count, 1.0);
  if constexpr (!kOwnWays<T> && sizeof(Real<T>) == sizeof(float)) {
    if (IsNarrow<T>(job))
      ScaleNarrow<T, kCenter>(UnitStart<T>(job, first).dense(), blocks.Get(0).length, count, sums);
  }
  for (int64_t u = 0; u < count; ++u) {
    if (sums.factor[u] != 1 || M::IsGood(n, sums.sum[u], sums.squares[u])) continue;
    const auto anew = M::SumAnew(blocks, UnitStart<T>(job, first + u), blocks.Get(0), n,
                                 static_cast<Real<T>>(sums.shift[u]), sums.sum[u], sums.squares[u]);
    sums.shift[u] = anew.shift, sums.sum[u] = anew.sum, sums.squares[u] = anew.squares;
    sums.factor[u] = anew.factor;
    if (!std::isfinite(anew.squares)) sums.SetNan(u);
  }
}

// Statistics of units [first, last) of one block each. What one unit waits for (the end of a sum, a
// division, a square root) others fill: alone, a row of 768 waits longer than it adds.
template <class T, bool kCenter>
HWY_INLINE void SmallStatistics(const ForwardJob& job, const RowBlocks& blocks, int64_t first,
                                int64_t last) {
  SmallSums sums;
  const auto n = static_cast<double>(job.geometry->reduce.num_reduced());
  if (HWY_UNLIKELY((!SumUnits<T, kCenter>(job, blocks, first, last - first, sums))))
    MendUnits<T, kCenter>(job, blocks, first, last - first, sums);
  sums.Finish<T>(job, n, first, last - first);
}

// Rows of more than a block and at most a chunk of them, of f32 in the caches, block by block; on
// other targets and of other types there are none.
template <class T, bool kCenter, bool = kFoldsBlocks<T>>
struct RowsOfBlocks {
  static bool Suits(const ForwardJob&, const RowBlocks&) { return false; }
  static void Statistics(const ForwardJob&, const RowBlocks&, int64_t, int64_t) {}
};
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
template <class T, bool kCenter>
struct RowsOfBlocks<T, kCenter, true> {
  static bool Suits(const ForwardJob& job, const RowBlocks& blocks) {
    return blocks.num_blocks() > 1 && blocks.num_chunks() == 1 && AreRuns(job) &&
           (kPaired<T> || job.read_ahead == 0);
  }
  // Of units [first, last). What comes before the statistics goes block by block with them:
  // [1,8192] of f32 with a residual takes a twentieth less so.
  static HWY_NOINLINE void Statistics(const ForwardJob& job, const RowBlocks& blocks, int64_t first,
                                      int64_t last) {
    const int64_t n = job.geometry->reduce.inner;
    for (int64_t u = first; u < last; ++u) {
      const auto prepare = [&](int64_t begin, int64_t end) HWY_ATTR {
        if (!job.prepares()) return;
        const int64_t at = u * n + begin;
        const Sum<T> sum{job.source.At<T>(at), job.residual.At<T>(at)};
        StoreRun(sum, job.sum.At<T>(at), end - begin);
      };
      Moments moments;
      if (BlockRows<T, kCenter>::AddChunk(job.x.At<T>(u * n), n, job.read_ahead, prepare, &moments))
        FinishStatistic(job, u, moments);
      else
        UnitStatistics<T, kCenter>(job, blocks, u);
    }
  }
};
#endif

// The same of blocks one or many. Not inlined: two callers.
template <class T, bool kCenter>
HWY_NOINLINE void GroupStatistics(const ForwardJob& job, const RowBlocks& blocks, int64_t first,
                                  int64_t last) {
  if (blocks.num_blocks() == 1) return SmallStatistics<T, kCenter>(job, blocks, first, last);
  for (int64_t u = first; u < last; ++u) UnitStatistics<T, kCenter>(job, blocks, u);
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// Units [first, last) that are turned, as many at a time as fit a buffer.
template <class T, bool kCenter>
HWY_NOINLINE void ForwardTurned(const ForwardJob& job, int64_t first, int64_t last) {
  const int64_t n = job.geometry->reduce.inner;
  const bool are_rows = AreRows(job) && !job.pitched;
  RunWriter<T> writer(job.stream);
  TurnedRows<T> rows(job, n);
  for (int64_t unit = first; unit < last; unit += rows.most()) {
    const int64_t end = std::min(unit + rows.most(), last);
    PrepareUnits<T>(job, unit, end);
    rows.template Reduce<kCenter>(unit, end, last);
    if (are_rows && rows.Write(unit, end)) continue;
    if (are_rows)
      FinishTile(job, rows.Apply(unit, end), unit * n, (end - unit) * n, writer);
    else
      WriteCellUnits(job, unit, end, ApplyPart<T>{job}, writer);
  }
}
#endif

// Units [first, last), some at a time: reduced one by one, then applied together while they are in
// the cache. To reduce between the stores, block by block, costs more than it hides: it breaks the
// streams that processors prefetch.
template <class T, bool kCenter, class Rows>
HWY_INLINE void ForwardGroups(const ForwardJob& job, const RowBlocks& blocks, int64_t first,
                              int64_t last) {
  RunWriter<T> writer(job.stream);
  Rows rows(job, std::min(job.group, last - first));
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  using Alike = std::conditional_t<std::is_same_v<T, float>, AlikeRows, PairedRows<T>>;
#else
  using Alike = PairedRows<T>;
#endif
  const Alike alike(job, rows.fits() ? 0 : last - first);
  const int64_t group = std::max(job.group, alike.group());
  using Blocks = RowsOfBlocks<T, kCenter>;
  const bool of_blocks = Blocks::Suits(job, blocks);
  for (int64_t unit = first, end; unit < last; unit = end) {
    end = EndOfGroup(job, unit, group, last);
    if (of_blocks) {
      Blocks::Statistics(job, blocks, unit, end);
    } else {
      PrepareUnits<T>(job, unit, end);
      GroupStatistics<T, kCenter>(job, blocks, unit, end);
    }
    if (rows.fits())
      rows.Write(job, unit, end, writer);
    else if (alike.fits())
      alike.Write(unit, end, writer);
    else
      WriteCellUnits(job, unit, end, ApplyPart<T>{job}, writer);
  }
}

template <class T, bool kCenter>
void ForwardUnits(const ForwardJob& job, int64_t first, int64_t last) {
  const RowBlocks blocks(job.geometry->reduce);
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  using Rows = std::conditional_t<kOwnWays<T>, FewVectorForms<T>, RowForms<T>>;
  if constexpr (kOwnWays<T>)
    // Of rows of one element too much would be read.
    if (IsNarrow<T>(job) && job.geometry->reduce.inner > 1)
      return ForwardTurned<T, kCenter>(job, first, last);
#else
  using Rows = RowForms<T>;
#endif
  ForwardGroups<T, kCenter, Rows>(job, blocks, first, last);
}

template <class T>
void ForwardRows(const ForwardJob& job, int64_t first, int64_t last) {
  if (job.center)
    ForwardUnits<T, true>(job, first, last);
  else
    ForwardUnits<T, false>(job, first, last);
}

// FinishStatistic of as many statistics as a vector has lanes, from s on, to the bit; `squares` is
// SquaresDivisor.
HWY_INLINE void FinishVector(const ForwardJob& job, hn::Vec<hn::ScalableTag<double>> squares,
                             hn::Vec<hn::ScalableTag<double>> mean,
                             hn::Vec<hn::ScalableTag<double>> m2, int64_t s) {
  const hn::ScalableTag<double> d;
  const auto one = hn::Set(d, 1.0), nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
  const auto most = hn::Set(d, std::numeric_limits<double>::max());
  const auto variance = hn::Div(m2, squares);
  const auto rstd = hn::Div(one, hn::Sqrt(hn::Add(variance, hn::Set(d, job.epsilon))));
  hn::StoreU(mean, d, job.saved.mean + s);
  hn::StoreU(hn::IfThenElse(hn::Le(hn::Abs(variance), most), rstd, nan), d, job.saved.rstd + s);
  if (job.saved.variance) hn::StoreU(variance, d, job.saved.variance + s);
}

// FinishStatistic of statistics [first, last), whose moments are `moments`, to the bit.
inline void FinishStatistics(const ForwardJob& job, const Moments* moments, int64_t first,
                             int64_t last) {
  using D = hn::ScalableTag<double>;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  static_assert(sizeof(Moments) == 3 * sizeof(double));
  const D d;
  const double of_one = SquaresDivisor(job.divisor, 1), of_two = SquaresDivisor(job.divisor, 2);
  int64_t s = first;
  for (; s + kWidth <= last; s += kWidth) {
    hn::Vec<D> n, mean, m2;
    hn::LoadInterleaved3(d, &moments[s - first].n, n, mean, m2);
    if (!hn::AllTrue(d, hn::Gt(n, hn::Zero(d)))) break;
    FinishVector(job, of_one == of_two ? hn::Set(d, of_one) : n, mean, m2, s);
  }
  for (; s < last; ++s) FinishStatistic(job, s, moments[s - first]);
}

// The same of statistics [first, first + width) of n elements each.
inline void FinishColumns(const ForwardJob& job, double n, const double* HWY_RESTRICT mean,
                          const double* HWY_RESTRICT m2, int64_t first, int64_t width) {
  using D = hn::ScalableTag<double>;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  const D d;
  const auto squares = hn::Set(d, SquaresDivisor(job.divisor, n));
  int64_t c = 0;
  for (; c + kWidth <= width; c += kWidth)
    FinishVector(job, squares, hn::LoadU(d, mean + c), hn::LoadU(d, m2 + c), first + c);
  for (; c < width; ++c) FinishStatistic(job, first + c, {n, mean[c], m2[c]});
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FORWARD_INL_H_
