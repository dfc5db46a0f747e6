// The kernels of the forward pass, as entries of the table.
#if defined(NORMKIT_FORWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FORWARD_INL_H_
#undef NORMKIT_FORWARD_INL_H_
#else
#define NORMKIT_FORWARD_INL_H_
#endif

#include <hwy/cache_control.h>

#include "src/norm/cpu/apply-inl.h"
#include "src/norm/cpu/reduce_row-inl.h"
#include "src/norm/cpu/table.h"
#include "src/norm/finish.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

template <class T, bool kCenter>
Moments ReduceChunk(const Job& job, int64_t unit, int64_t chunk) {
  const RowBlocks blocks(job.geometry->reduce);
  RowMoments<T, kCenter> moments(blocks);
  const int64_t first = chunk * RowBlocks::kChunkBlocks;
  const int64_t last = std::min(first + RowBlocks::kChunkBlocks, blocks.num_blocks());
  moments.Start(static_cast<const T*>(job.x) + job.geometry->reduce.kept.Offset(unit), first);
  for (int64_t b = first; b < last; ++b) moments.Step();
  return moments.Finish();
}

template <class T>
Moments ReduceRows(const Job& job, int64_t unit, int64_t chunk) {
  return job.center ? ReduceChunk<T, true>(job, unit, chunk)
                    : ReduceChunk<T, false>(job, unit, chunk);
}

// Runs [first, last), of each the elements [begin, end).
template <class T>
void ApplyRuns(const Job& job, const RunTask& task) {
  for (int64_t run = task.first_run; run < task.last_run; ++run)
    WithForm<T>(job, run, ApplyPart<T>{job, run, task.begin, task.end});
  if (job.stream) hwy::FlushStream();
}

// Applies to one unit, some elements at a time.
template <class T>
class RowApplier {
 public:
  explicit RowApplier(const Job& job) : job_(job), nest_(job.geometry->reduce) {}

  void Start(int64_t unit) {
    unit_ = nest_.kept.Offset(unit);
    segment_ = position_ = 0;
  }
  // About n elements; false where the unit is done.
  HWY_INLINE bool Step(int64_t n) {
    const int64_t length = job_.geometry->run_length;
    while (segment_ < nest_.reduced.size() && n > 0) {
      const int64_t at = unit_ + nest_.reduced.Offset(segment_) + position_;
      const int64_t run = at / length, begin = at % length;
      const T* y = static_cast<const T*>(job_.y) + run * length;
      const int64_t end = PieceEnd(y, begin, length, n);
      WithForm<T>(job_, run, ApplyPart<T>{job_, run, begin, end});
      position_ += end - begin;
      n -= end - begin;
      if (position_ == nest_.inner) ++segment_, position_ = 0;
    }
    return segment_ < nest_.reduced.size();
  }

 private:
  const Job& job_;
  const Nest& nest_;
  int64_t unit_ = 0, segment_ = 0, position_ = 0;
};

// Units [first, last), each reduced and applied while it is in the cache. The next unit is reduced
// between the stores of this one: reading and writing overlap, where one after the other they do
// not.
template <class T, bool kCenter>
void ForwardUnits(const Job& job, int64_t first, int64_t last) {
  const Nest& nest = job.geometry->reduce;
  const RowBlocks blocks(nest);
  RowMoments<T, kCenter> moments(blocks);
  RowApplier<T> applier(job);
  const auto start = [&](int64_t unit) {
    moments.Start(static_cast<const T*>(job.x) + nest.kept.Offset(unit));
  };
  start(first);
  for (int64_t b = 0; b < blocks.num_blocks(); ++b) moments.Step();
  for (int64_t unit = first; unit < last; ++unit) {
    FinishStatistic(job, unit, moments.Finish());
    applier.Start(unit);
    if (unit + 1 < last) {
      start(unit + 1);
      for (int64_t b = 0; b < blocks.num_blocks(); ++b) {
        moments.Step();
        applier.Step(RowBlocks::kBlock);
      }
    }
    while (applier.Step(RowBlocks::kBlock)) {
    }
  }
  if (job.stream) hwy::FlushStream();
}

template <class T>
void ForwardRows(const Job& job, int64_t first, int64_t last) {
  if (job.center)
    ForwardUnits<T, true>(job, first, last);
  else
    ForwardUnits<T, false>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FORWARD_INL_H_
