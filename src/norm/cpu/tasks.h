// Work cut into tasks by shape.
#pragma once

#include <algorithm>
#include <numeric>

#include "normkit/core/threads.h"
#include "src/core/parallel.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/norm/cpu/kernels/table.h"

namespace normkit::norm::cpu {

inline constexpr int64_t kTaskElements = 1 << 16;

// How many items of so many elements make a task.
inline int64_t PerTask(int64_t elements_each) {
  return std::max<int64_t>(1, kTaskElements / std::max<int64_t>(1, elements_each));
}

// Where `values` would begin whose number `first` is the first one there.
template <class T>
T* Before(T* values, int64_t first) {
  const uintptr_t bytes = static_cast<uintptr_t>(first) * sizeof(T);
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(values) - bytes);
}

// Calls f(job) for a task whose parameters begin with `param`: where others stand for those, they
// are shifted so that the first is there.
template <class DirectedJob, class F>
void WithParameters(const DirectedJob& job, int64_t param, const F& f) {
  if (!job.repeats_gamma && !job.repeats_beta) return f(job);
  DirectedJob shifted = job;
  const auto shift = [&](const void*& values) {
    values = job.f64 ? static_cast<const void*>(Before(static_cast<const double*>(values), param))
                     : Before(static_cast<const float*>(values), param);
  };
  if (job.repeats_gamma) shift(shifted.gamma);
  if (job.repeats_beta) shift(shifted.beta);
  f(shifted);
}

// Whether ForRuns takes long runs in parts, each with parameters one behind the other.
inline bool AreParameterRuns(const Geometry& g) {
  return !g.cell_form && !g.stat_vector && g.param_vector && g.run_length > kTaskElements;
}
// The first parameter of such a part.
inline int64_t FirstParameter(const Geometry& g, const RunTask& task) {
  return g.run_param.Offset(task.first_run) + task.begin;
}

// Calls f(first, last) for parts of [0, count) with `per_task` items each.
template <class F>
void ForTasks(int64_t count, int64_t per_task, bool threads, const F& f) {
  ParallelFor((count + per_task - 1) / per_task, threads,
              [&](int64_t i) { f(i * per_task, std::min((i + 1) * per_task, count)); });
}

// Elements of a task that only writes. Each ends by waiting for its stores past the caches, 3 % of
// the time of the smallest ones.
inline int64_t WrittenElements(int64_t all, bool threads) {
  constexpr int64_t kMost = 1 << 19, kTasksEach = 8;
  return std::clamp(all / (kTasksEach * (threads ? NumThreads() : 1)), kTaskElements, kMost);
}

// At most so many runs that end where a cache line of f32 ends, if they begin with one: results
// that lie as vectors do need not be moved into place.
inline int64_t WholeLines(int64_t runs, int64_t length) {
  constexpr int64_t kLine = 16;
  const int64_t together = kLine / std::gcd(kLine, length);
  return runs < together ? runs : runs - runs % together;
}

// Which of `count` tasks is the i-th of those that a thread begins with, its part of them, from the
// end on: what it read last in the pass before may still be in its caches.
inline int64_t FromEnd(int64_t i, int64_t count, int64_t parts) {
  const int64_t part = ((i + 1) * parts - 1) / count;
  return count * part / parts + count * (part + 1) / parts - 1 - i;
}

// Calls f(task) for all runs; short ones together, long ones in parts. `from_end`, for short ones:
// after a pass over the same.
template <class F>
void ForRuns(const Geometry& g, bool threads, const F& f, bool from_end = false) {
  if (g.run_length > kTaskElements) {
    const int64_t parts = (g.run_length + kTaskElements - 1) / kTaskElements;
    ParallelFor(g.num_runs * parts, threads, [&](int64_t i) {
      const int64_t run = i / parts, begin = i % parts * kTaskElements;
      f(RunTask{run, run + 1, begin, std::min(begin + kTaskElements, g.run_length)});
    });
    return;
  }
  const int64_t elements = WrittenElements(g.plan.size, threads);
  const int64_t length = std::max<int64_t>(1, g.run_length);
  const int64_t each = std::max<int64_t>(1, WholeLines(elements / length, length));
  const int64_t count = (g.num_runs + each - 1) / each;
  // Asked here: the number of threads is this thread's, not that of those that help.
  const int64_t parts = from_end ? std::min<int64_t>(count, threads ? NumThreads() : 1) : 1;
  ParallelFor(count, threads, [&](int64_t i) {
    const int64_t first = (from_end ? FromEnd(i, count, parts) : i) * each;
    f(RunTask{first, std::min(first + each, g.num_runs), 0, g.run_length});
  });
}

// How many units of `nest` are summed block by block beside each other: short runs of neighbours
// lie in the same cache lines, and of units of one block each what one waits for others fill. Of
// one chunk each they still make tasks for every thread.
inline int64_t UnitsTogether(const Nest& nest, const RowBlocks& blocks, bool threads) {
  const int64_t units = nest.kept.size();
  const bool small = blocks.num_blocks() == 1;
  if (!(blocks.packed() || small) || units < 2 || nest.kept.Offset(1) != nest.inner) return 1;
  const int64_t tasks = threads ? 2 * NumThreads() : 1;
  return std::clamp<int64_t>(units * blocks.num_chunks() / tasks, 1, kMaxGroup);
}

// Calls f(task) for all chunks of units [first, last) of `nest`.
template <class F>
void ForUnitsOfChunks(const Nest& nest, int64_t first, int64_t last, bool threads, const F& f) {
  const RowBlocks blocks(nest);
  const int64_t chunks = blocks.num_chunks(), together = UnitsTogether(nest, blocks, threads);
  const int64_t groups = (last - first + together - 1) / together;
  const int64_t elements = nest.num_reduced() / std::max<int64_t>(1, chunks) * together;
  ForTasks(groups * chunks, PerTask(elements), threads, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t begin = first + i / chunks * together;
      f(UnitsOfChunk{begin, std::min(begin + together, last), i % chunks});
    }
  });
}

}  // namespace normkit::norm::cpu
