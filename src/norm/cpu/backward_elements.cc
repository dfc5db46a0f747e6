// The backward pass of layouts in element form.
#include <algorithm>

#include "src/core/scratch.h"
#include "src/norm/cpu/backward.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/norm/cpu/tasks.h"

namespace normkit::norm::cpu {
namespace {

struct PartialTag;
struct ParameterTag;
struct PartSumsTag;

constexpr int64_t kMaxTasks = 64;  // whose sums of the parameters are merged

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Sums of the parameters, of each task an array of its own; added up pairwise. In order, 64 of them
// were off by 1.3 times the bound of f64, whose tasks also keep what rounding takes. One task
// that keeps nothing adds to the parameters themselves; none where those are not wanted.
class TaskSums {
 public:
  TaskSums(bool f64, int64_t num_param, int64_t tasks, bool threads,
           const ParameterSums& parameters)
      : f64_(f64),
        parameters_(parameters),
        n_(num_param),
        arrays_(f64 ? 4 : 2),
        tasks_(parameters.wanted() && (f64 || tasks > 1) ? tasks : 0),
        sums_(Scratch<ParameterTag, double>(static_cast<size_t>(arrays_ * n_ * tasks_))) {
    ForTasks(arrays_ * n_ * tasks_, PerTask(1), threads,
             [&](int64_t first, int64_t last) { std::fill(sums_ + first, sums_ + last, 0.0); });
  }
  ParameterSums Of(int64_t task) const {
    if (tasks_ == 0) return parameters_;
    double* dgamma = sums_ + arrays_ * n_ * task;
    if (f64_) return {dgamma, dgamma + n_, dgamma + 2 * n_, dgamma + 3 * n_};
    return {dgamma, dgamma + n_};
  }
  void Add(bool threads) const {
    if (tasks_ == 0) return;
    ForTasks(n_, PerTask(tasks_), threads, [&](int64_t first, int64_t last) {
      const int64_t n = last - first;
      const auto add = [&](const ParameterSums& to, const ParameterSums& from) {
        AddAll(n, from.dgamma + first, to.dgamma + first);
        AddAll(n, from.dbeta + first, to.dbeta + first);
      };
      for (int64_t task = 0; task < tasks_ && f64_; ++task) {
        const ParameterSums of = Of(task);
        AddRests(n, of.dgamma_rest + first, of.dgamma + first);
        AddRests(n, of.dbeta_rest + first, of.dbeta + first);
      }
      for (int64_t step = 1; step < tasks_; step *= 2)
        for (int64_t task = 0; task + step < tasks_; task += 2 * step)
          add(Of(task), Of(task + step));
      add(parameters_, Of(0));
    });
  }

 private:
  bool f64_;
  ParameterSums parameters_;
  int64_t n_, arrays_, tasks_;
  double* sums_;
};

// Whether dx, or that of other ranks, needs what passes through the statistics.
bool NeedsMeans(const BackwardJob& job, const Reducer* reducer) {
  return !job.fixed && (job.dx || reducer);
}

// From sums of w and w * (x - hi) to those of w * xhat.
void ToXhat(const BackwardJob& job) {
  const int64_t n = job.geometry->plan.num_stat;
  job.f64 ? job.means.ToXhat<double>(n, job.mean, job.rstd)
          : job.means.ToXhat<float>(n, job.mean, job.rstd);
}

void SumRuns(const BackwardJob& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  const RowBlocks blocks(g.elements, ShortRuns::kTogether);
  const int64_t chunks = blocks.num_chunks(), n = g.plan.num_stat;
  double* w = Scratch<PartialTag, double>(static_cast<size_t>(2 * n * chunks));
  double* w_x = w + n * chunks;
  ForTasks(
      n * chunks, PerTask(g.plan.num_reduced / chunks), threads, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i)
          WithParameters(
              job, blocks.Get(blocks.chunk_begin(i % chunks)).offset, [&](const BackwardJob& part) {
                kernels.reduce_element_runs(part, i / chunks, i % chunks, w + i, w_x + i);
              });
      });
  for (int64_t s = 0; s < n; ++s) {
    OrderedSum of_w(job.f64), of_w_x(job.f64);
    for (int64_t i = s * chunks; i < (s + 1) * chunks; ++i) of_w.Add(w[i]), of_w_x.Add(w_x[i]);
    job.means.w[s] = of_w.Get(), job.means.w_xhat[s] = of_w_x.Get();
  }
}

// dx and the sums of the parameters, of all runs. Layer and RMS normalization of whole rows have
// their tasks cut by units (schedule.cc), each of which is summed and written while the next one
// comes from memory; all others by runs.
void WriteRuns(const BackwardJob& job, const KernelTable& kernels, RunWalk walk,
               int64_t units_per_task, bool threads, const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  if (g.plan.size == 0 || !(job.dx || parameters.wanted())) return;
  const int64_t unit_runs = g.elements.reduced.size();
  const int64_t slots = g.plan.num_param / g.run_length;
  int64_t task_runs = std::max(kTaskRuns * slots, CeilDivide(g.num_runs, kMaxTasks));
  if (walk == RunWalk::kUnits) task_runs = CeilDivide(task_runs, unit_runs) * unit_runs;
  if (walk == RunWalk::kRows) task_runs = units_per_task * unit_runs;
  const int64_t part =
      walk == RunWalk::kParts ? std::min(g.run_length, kTaskElements) : g.run_length;
  const int64_t tasks = CeilDivide(g.num_runs, task_runs), parts = CeilDivide(g.run_length, part);
  const TaskSums sums(job.f64, g.plan.num_param, tasks, threads, parameters);
  ParallelFor(tasks * parts, threads, [&](int64_t i) {
    const int64_t first = i / parts * task_runs, begin = i % parts * part;
    const RunTask task{first, std::min(first + task_runs, g.num_runs), begin,
                       std::min(begin + part, g.run_length)};
    WithParameters(job, begin, [&](const BackwardJob& of_task) {
      kernels.backward_runs(of_task, task, walk, sums.Of(i / parts));
    });
  });
  sums.Add(threads);
}

// What passes through the statistics, before anything is written.
void FindMeans(const BackwardJob& job, const KernelTable& kernels, bool threads, Reducer* reducer) {
  const bool needs = NeedsMeans(job, reducer);
  PrepareGradient(job, kernels, threads);
  if (needs && job.geometry->plan.size > 0) SumRuns(job, kernels, threads);
  if (needs) ToXhat(job), ShareMeans(job, reducer);
}

void BackwardRuns(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                  Reducer* reducer, const ParameterSums& parameters) {
  const bool needs = NeedsMeans(job, reducer);
  RunWalk walk = needs && schedule.path == Path::kFusedRuns ? RunWalk::kUnits : RunWalk::kParts;
  if (schedule.path == Path::kFusedRows && job.dx) walk = RunWalk::kRows;
  if (walk == RunWalk::kParts) FindMeans(job, kernels, schedule.threads, reducer);
  WriteRuns(job, kernels, walk, schedule.units_per_task, schedule.threads, parameters);
}

void SumColumns(const BackwardJob& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  const ColumnCut cut = ColumnCut::ForStrips(g.elements);
  const int64_t n = g.plan.num_stat;
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * n * cut.chunks()));
  const int64_t each = cut.rows() * cut.strip_columns() / cut.chunks();
  ForTasks(cut.size(), PerTask(each), threads, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const ColumnTask task = cut.Get(i);
      double* w = partial + 2 * n * task.chunk + task.unit * g.run_length + task.first_column;
      kernels.reduce_element_columns(job, task, w, w + n);
    }
  });
  const auto add = [&](int64_t s) {
    OrderedSum sum(job.f64);
    for (int64_t chunk = 0; chunk < cut.chunks(); ++chunk) sum.Add(partial[2 * n * chunk + s]);
    return sum.Get();
  };
  for (int64_t s = 0; s < n; ++s) job.means.w[s] = add(s);
  for (int64_t s = 0; s < n; ++s) job.means.w_xhat[s] = add(n + s);
}

// The same of columns; `fused`: what passes through the statistics is summed first, strip by strip.
void WriteColumns(const BackwardJob& job, const KernelTable& kernels, bool fused, bool threads,
                  const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  if (g.plan.size == 0 || !(job.dx || parameters.wanted())) return;
  const ColumnCut cut = ColumnCut::ForStrips(g.elements);
  // Rows with parameters of their own may go to different threads.
  const bool rows_apart = !g.param_vector && std::ranges::all_of(g.plan.levels, [](const Level& l) {
    return l.kept || l.param_stride != 0;
  });
  const int64_t chunks = fused || !rows_apart ? 1 : cut.chunks();
  const int64_t strips =
      std::max(CeilDivide(cut.strips(), kMaxTasks), CeilDivide(kMinStripColumns, g.run_length));
  const int64_t tasks = CeilDivide(cut.strips(), strips);
  const TaskSums sums(job.f64, g.plan.num_param, tasks, threads, parameters);
  ParallelFor(tasks * chunks, threads, [&](int64_t i) {
    const int64_t first = i / chunks * strips, chunk = i % chunks;
    const int64_t last_row = chunks == 1 ? cut.rows() : cut.chunk_begin(chunk + 1);
    const StripTask task{first, std::min(first + strips, cut.strips()), cut.chunk_begin(chunk),
                         last_row, fused};
    kernels.backward_columns(job, task, sums.Of(i / chunks));
  });
  sums.Add(threads);
}

void BackwardColumns(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                     Reducer* reducer, const ParameterSums& parameters) {
  const bool needs = NeedsMeans(job, reducer);
  const bool fused = needs && schedule.path == Path::kFusedColumns;
  PrepareGradient(job, kernels, schedule.threads);
  if (needs && !fused) {
    if (job.geometry->plan.size > 0) SumColumns(job, kernels, schedule.threads);
    ToXhat(job);
    ShareMeans(job, reducer);
  }
  WriteColumns(job, kernels, fused, schedule.threads, parameters);
}

}  // namespace

void ApplyElements(const BackwardJob& job, const KernelTable& kernels, bool threads,
                   const ParameterSums& parameters) {
  if (job.geometry->stat_vector)
    WriteColumns(job, kernels, false, threads, parameters);
  else
    WriteRuns(job, kernels, RunWalk::kParts, 0, threads, parameters);
}

void SumElements(const BackwardJob& job, const KernelTable& kernels, bool threads,
                 const ParameterSums& parameters) {
  job.means.Clear(job.geometry->plan.num_stat);
  PrepareGradient(job, kernels, threads);
  ApplyElements(job, kernels, threads, parameters);  // without dx, which needs no means
  if (job.fixed || job.geometry->plan.size == 0) return;
  if (job.geometry->stat_vector)
    SumColumns(job, kernels, threads);
  else
    SumRuns(job, kernels, threads);
  ToXhat(job);
}

bool BackwardLongRows(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                      Reducer* reducer, const SumsTo& to) {
  constexpr int64_t kPart = 1 << 13;  // elements, whose sums stay in the cache
  const Geometry& g = *job.geometry;
  const bool suits = to && schedule.path == Path::kTwoPasses && !job.f64 && !g.stat_vector &&
                     g.plan.num_param == g.run_length && g.num_runs <= kTaskRuns && g.plan.size > 0;
  if (!suits) return false;
  job.means.Clear(g.plan.num_stat);
  FindMeans(job, kernels, schedule.threads, reducer);
  ParallelFor(CeilDivide(g.run_length, kPart), schedule.threads, [&](int64_t i) {
    const int64_t begin = i * kPart, end = std::min(begin + kPart, g.run_length), n = end - begin;
    double* sums = Scratch<PartSumsTag, double>(2 * kPart);
    std::fill_n(sums, 2 * n, 0.0);
    const ParameterSums parameters{.dgamma = sums, .dbeta = sums + n, .first = begin};
    WithParameters(job, begin, [&](const BackwardJob& of_task) {
      kernels.backward_runs(of_task, {0, g.num_runs, begin, end}, RunWalk::kParts, parameters);
    });
    to(begin, n, sums, sums + n);
  });
  return true;
}

void BackwardElements(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                      Reducer* reducer, const ParameterSums& parameters) {
  job.means.Clear(job.geometry->plan.num_stat);
  if (job.geometry->stat_vector)
    BackwardColumns(job, kernels, schedule, reducer, parameters);
  else
    BackwardRuns(job, kernels, schedule, reducer, parameters);
}

}  // namespace normkit::norm::cpu
