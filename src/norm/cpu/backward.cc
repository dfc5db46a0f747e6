#include "src/norm/cpu/backward.h"

#include <algorithm>

#include "src/core/scratch.h"
#include "src/norm/cpu/forward.h"
#include "src/norm/cpu/from_y.h"
#include "src/norm/cpu/gradient_means.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/norm/cpu/spans.h"

namespace normkit {
namespace {

struct PartialTag;

// E[w] and E[w * xhat] of statistics from the sums of their cells; cells [first, last).
void AddCellsToStatistics(const Job& job, int64_t first, int64_t last) {
  const Geometry& g = *job.geometry;
  for (int64_t cell = first; cell < last; ++cell) {
    const int64_t stat = g.StatOf(cell);
    const double gamma = GammaOf(job, g.ParamOf(cell));
    job.mean_w[stat] += gamma * job.cell_dy[cell];
    job.mean_w_xhat[stat] += gamma * CellXhatSum(job, stat, cell);
  }
  if (job.statistics) MergeCells(job, first, last);
}

// Sums of cells [first, last), each of contiguous runs.
void GatherRowCells(const Job& job, const KernelTable& kernels, int64_t first, int64_t last) {
  const int64_t chunks = RowBlocks(job.geometry->cells).num_chunks();
  for (int64_t cell = first; cell < last; ++cell) {
    job.cell_dy[cell] = job.cell_dy_x[cell] = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      double sums[2];
      kernels.reduce_gradient_rows(job, cell, chunk, sums);
      job.cell_dy[cell] += sums[0];
      job.cell_dy_x[cell] += sums[1];
    }
  }
}

// The same, chunks of one cell on many threads.
void GatherLargeRowCells(const Job& job, const KernelTable& kernels, bool threads) {
  const int64_t chunks = RowBlocks(job.geometry->cells).num_chunks(), n = job.geometry->num_cells;
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * n * chunks));
  ParallelFor(n * chunks, threads, [&](int64_t i) {
    kernels.reduce_gradient_rows(job, i / chunks, i % chunks, partial + 2 * i);
  });
  std::fill_n(job.cell_dy, n, 0.0);
  std::fill_n(job.cell_dy_x, n, 0.0);
  for (int64_t i = 0; i < n * chunks; ++i) {
    job.cell_dy[i / chunks] += partial[2 * i];
    job.cell_dy_x[i / chunks] += partial[2 * i + 1];
  }
}

// Slabs of units [first, last) of columns, added up in order. `partial` holds those of these units.
void AddSlabs(const Job& job, const ColumnTasks& tasks, int64_t first, int64_t last,
              const double* partial, int64_t half) {
  const int64_t width = tasks.width();
  for (int64_t unit = first; unit < last; ++unit) {
    double* dy = job.cell_dy + unit * width;
    double* dy_x = job.cell_dy_x + unit * width;
    for (int64_t slab = 0; slab < tasks.slabs(); ++slab) {
      const double* from = partial + ((unit - first) * tasks.slabs() + slab) * width;
      for (int64_t c = 0; c < width; ++c) dy[c] = (slab ? dy[c] : 0) + from[c];
      for (int64_t c = 0; c < width; ++c) dy_x[c] = (slab ? dy_x[c] : 0) + from[half + c];
    }
  }
}

// Sums of the cells of units [first, last) of columns.
void GatherColumnCells(const Job& job, const KernelTable& kernels, bool threads, int64_t first,
                       int64_t last) {
  const ColumnTasks tasks(job.geometry->cells);
  const int64_t half = (last - first) * tasks.slabs() * tasks.width();
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * half));
  const int64_t begin = first * tasks.per_unit(), end = last * tasks.per_unit();
  const int64_t elements = tasks.slab_rows(0) * std::min(tasks.width(), kColumnBlock);
  ForSpans(end - begin, PerTask(elements), threads, [&](int64_t from, int64_t to) {
    for (int64_t i = begin + from; i < begin + to; ++i) {
      const ColumnTask task = tasks.Get(i);
      const int64_t at = ((task.unit - first) * tasks.slabs() + task.slab) * tasks.width();
      double* sums = partial + at + task.first_column;
      kernels.reduce_gradient_columns(job, task, sums, sums + half);
    }
  });
  AddSlabs(job, tasks, first, last, partial, half);
}

void FillTables(const Job& job, const KernelTable& kernels, int64_t first, int64_t last) {
  kernels.fill_table(job, first, last);
  kernels.fill_gradient_table(job, first, last);
}

// Units [first, last) of the fused paths: their cells, their statistics, their dx.
void BackwardUnits(const Job& job, const KernelTable& kernels, int64_t first, int64_t last) {
  const Geometry& g = *job.geometry;
  const int64_t cells = g.num_cells / g.num_units();
  const int64_t first_cell = first * cells, last_cell = last * cells;
  const int64_t first_stat = first * g.unit_stats, last_stat = last * g.unit_stats;
  const int64_t runs = g.num_runs / g.num_units();
  const RunTask task{first * runs, last * runs, 0, g.run_length};
  if (g.reduce.inner_kept) {
    if (job.prepares) kernels.prepare_runs(job, task);
    kernels.fill_table(job, first_cell, last_cell);
    GatherColumnCells(job, kernels, false, first, last);
  } else {
    kernels.prepare_units(job, first, last);
    GatherRowCells(job, kernels, first_cell, last_cell);
  }
  ClearGradientMeans(job, first_stat, last_stat);
  if (!job.fixed) AddCellsToStatistics(job, first_cell, last_cell);
  DivideByCount(job, first_stat, last_stat, static_cast<double>(g.plan.num_reduced));
  if (g.reduce.inner_kept) {
    kernels.fill_gradient_table(job, first_cell, last_cell);
    kernels.apply_gradient_runs(job, task);
  } else {
    kernels.apply_gradient_units(job, first, last);
  }
}

// Sums of every cell, over threads.
void GatherCells(const Job& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  if (g.cells.inner_kept) {
    ForSpans(g.num_cells, kTaskElements / 8, threads,
             [&](int64_t first, int64_t last) { kernels.fill_table(job, first, last); });
    GatherColumnCells(job, kernels, threads, 0, g.cells.kept.size());
  } else if (RowBlocks(g.cells).num_chunks() > 1) {
    GatherLargeRowCells(job, kernels, threads);
  } else {
    ForSpans(g.num_cells, PerTask(g.cells.num_reduced()), threads,
             [&](int64_t first, int64_t last) { GatherRowCells(job, kernels, first, last); });
  }
}

// Statistics of all ranks from the cells of this one.
void FinishStatistics(const Job& job, Reducer* reducer) {
  const Geometry& g = *job.geometry;
  ClearGradientMeans(job, 0, g.plan.num_stat);
  if (job.fixed) return;
  if (g.plan.size > 0) AddCellsToStatistics(job, 0, g.num_cells);
  ShareGradientSums(job, reducer);
}

void AddCellsToParameters(const Job& job, const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  for (int64_t cell = 0; cell < g.num_cells; ++cell) {
    const int64_t p = g.ParamOf(cell);
    parameters.dgamma[p] += CellXhatSum(job, g.StatOf(cell), cell);
    parameters.dbeta[p] += job.cell_dy[cell];
  }
}

}  // namespace

void BackwardCells(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                   Reducer* reducer, const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  if (schedule.path != Path::kTwoPasses && job.dx) {
    ForSpans(g.num_units(), schedule.units_per_task, schedule.threads,
             [&](int64_t first, int64_t last) {
               for (int64_t unit = first; unit < last; unit += job.group)
                 BackwardUnits(job, kernels, unit, std::min(unit + job.group, last));
             });
  } else {
    Prepare(job, kernels, schedule.threads);
    if (g.plan.size > 0) GatherCells(job, kernels, schedule.threads);
    FinishStatistics(job, reducer);
    if (job.dx && g.plan.size > 0) {
      ForSpans(g.num_cells, kTaskElements / 8, schedule.threads,
               [&](int64_t first, int64_t last) { FillTables(job, kernels, first, last); });
      ForRuns(g, schedule.threads,
              [&](const RunTask& task) { kernels.apply_gradient_runs(job, task); });
    }
  }
  if (g.plan.size > 0) AddCellsToParameters(job, parameters);
}

}  // namespace normkit
