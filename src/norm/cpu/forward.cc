#include "src/norm/cpu/forward.h"

#include <algorithm>

#include "src/core/scratch.h"
#include "src/norm/cpu/finish.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/norm/cpu/spans.h"

namespace normkit {
namespace {

struct PartialTag;
struct CellMomentsTag;

// Where what `reduce` gathered under this index belongs: its own statistic or that of its cell.
int64_t StatisticOf(const Geometry& g, int64_t gathered) {
  return g.folds ? g.StatOf(gathered) : gathered;
}

void GatherRows(const Job& job, const KernelTable& kernels, bool threads, Moments* moments) {
  const Geometry& g = *job.geometry;
  const RowBlocks blocks(g.reduce);
  const int64_t chunks = blocks.num_chunks(), units = g.num_units();
  Moments* partial = Scratch<PartialTag, Moments>(static_cast<size_t>(units * chunks));
  const int64_t per_task = PerTask(g.reduce.num_reduced() / chunks);
  ForSpans(units * chunks, per_task, threads, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      partial[i] = kernels.reduce_rows(job, i / chunks, i % chunks);
  });
  for (int64_t i = 0; i < units * chunks; ++i)
    moments[StatisticOf(g, i / chunks)].Merge(partial[i]);
}

// Mean and m2 of the columns of `task`, at their place among all slabs of the unit.
void GatherTask(const Job& job, const KernelTable& kernels, const ColumnTasks& tasks,
                const ColumnTask& task, int64_t unit_in_partial, double* partial, int64_t half) {
  const int64_t at =
      (unit_in_partial * tasks.slabs() + task.slab) * tasks.width() + task.first_column;
  kernels.reduce_columns(job, task, partial + at, partial + half + at);
}

// Slabs of one unit, merged in order into the statistics from `first_stat` on.
void MergeSlabs(const Geometry& g, const ColumnTasks& tasks, int64_t unit, const double* partial,
                int64_t half, int64_t unit_in_partial, int64_t first_stat, Moments* moments) {
  for (int64_t c = 0; c < tasks.width(); ++c) {
    Moments column;
    for (int64_t slab = 0; slab < tasks.slabs(); ++slab) {
      const int64_t at = (unit_in_partial * tasks.slabs() + slab) * tasks.width() + c;
      column.Merge({static_cast<double>(tasks.slab_rows(slab)), partial[at], partial[half + at]});
    }
    moments[StatisticOf(g, unit * tasks.width() + c) - first_stat].Merge(column);
  }
}

void GatherColumns(const Job& job, const KernelTable& kernels, bool threads, Moments* moments) {
  const Geometry& g = *job.geometry;
  const ColumnTasks tasks(g.reduce);
  const int64_t half = g.num_units() * tasks.slabs() * tasks.width();
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * half));
  const int64_t elements = tasks.slab_rows(0) * std::min(tasks.width(), kColumnBlock);
  ForSpans(tasks.size(), PerTask(elements), threads, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const ColumnTask task = tasks.Get(i);
      GatherTask(job, kernels, tasks, task, task.unit, partial, half);
    }
  });
  for (int64_t unit = 0; unit < g.num_units(); ++unit)
    MergeSlabs(g, tasks, unit, partial, half, unit, 0, moments);
}

void ForwardColumnUnit(const Job& job, const KernelTable& kernels, int64_t unit) {
  const Geometry& g = *job.geometry;
  const ColumnTasks tasks(g.reduce);
  const int64_t half = tasks.slabs() * tasks.width();
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * half));
  const int64_t runs = g.num_runs / g.num_units();
  const RunTask task{unit * runs, (unit + 1) * runs, 0, g.run_length};
  if (job.prepares) kernels.prepare_runs(job, task);
  for (int64_t i = unit * tasks.per_unit(); i < (unit + 1) * tasks.per_unit(); ++i)
    GatherTask(job, kernels, tasks, tasks.Get(i), 0, partial, half);
  Moments* moments = Scratch<CellMomentsTag, Moments>(static_cast<size_t>(g.unit_stats));
  std::fill_n(moments, g.unit_stats, Moments{});
  const int64_t first_stat = unit * g.unit_stats;
  MergeSlabs(g, tasks, unit, partial, half, 0, first_stat, moments);
  for (int64_t s = 0; s < g.unit_stats; ++s) FinishStatistic(job, first_stat + s, moments[s]);
  const int64_t filled = (g.cell_form ? g.num_cells : g.plan.num_stat) / g.num_units();
  kernels.fill_table(job, unit * filled, (unit + 1) * filled);
  kernels.apply_runs(job, task);
}

}  // namespace

int64_t TableSize(const Geometry& g) {
  if (g.cell_form) return g.cell_vector ? 3 * g.num_cells : 0;
  return g.stat_vector ? 3 * g.plan.num_stat : 0;
}

void Prepare(const Job& job, const KernelTable& kernels, bool threads) {
  if (job.prepares)
    ForRuns(*job.geometry, threads, [&](const RunTask& task) { kernels.prepare_runs(job, task); });
}

void GatherMoments(const Job& job, const KernelTable& kernels, bool threads, Moments* moments) {
  std::fill_n(moments, job.geometry->plan.num_stat, Moments{});
  if (job.geometry->plan.size == 0) return;
  if (job.geometry->reduce.inner_kept)
    GatherColumns(job, kernels, threads, moments);
  else
    GatherRows(job, kernels, threads, moments);
}

void Apply(const Job& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  if (g.plan.size == 0) return;
  if (job.table) {
    const int64_t n = g.cell_form ? g.num_cells : g.plan.num_stat;
    ForSpans(n, kTaskElements / 8, threads,
             [&](int64_t first, int64_t last) { kernels.fill_table(job, first, last); });
  }
  ForRuns(g, threads, [&](const RunTask& task) { kernels.apply_runs(job, task); });
}

void ForwardFused(const Job& job, const KernelTable& kernels, const Schedule& schedule) {
  ForSpans(job.geometry->num_units(), schedule.units_per_task, schedule.threads,
           [&](int64_t first, int64_t last) {
             if (schedule.path == Path::kFusedRows) return kernels.forward_rows(job, first, last);
             for (int64_t unit = first; unit < last; ++unit) ForwardColumnUnit(job, kernels, unit);
           });
}

}  // namespace normkit
