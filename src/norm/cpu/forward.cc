#include "src/norm/cpu/forward.h"

#include <algorithm>

#include "src/core/finite.h"
#include "src/core/scratch.h"
#include "src/norm/cpu/column_parts.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/parameter_parts.h"

namespace normkit::norm::cpu {
namespace {

struct PartialTag;
struct CellMomentsTag;
struct RestTag;

// Where what `reduce` gathered under this index belongs: its own statistic or that of its cell.
int64_t StatisticOf(const Geometry& g, int64_t gathered) {
  return g.folds ? g.StatOf(gathered) : gathered;
}

// Moments of statistics [first, ...) from those of what was gathered. A statistic may have
// thousands of cells: what rounding takes at each is kept.
class Folded {
 public:
  Folded(const Geometry& g, int64_t first, int64_t count, Moments* moments)
      : first_(first),
        moments_(moments),
        rest_(g.folds ? Scratch<RestTag, MomentsRest>(static_cast<size_t>(count)) : nullptr) {
    std::fill_n(moments, count, Moments{});
    if (rest_) std::fill_n(rest_, count, MomentsRest{});
  }

  void Set(int64_t stat, const Moments& all) const { moments_[stat - first_] = all; }
  void Add(int64_t stat, const Moments& cell) const {
    Moments& all = moments_[stat - first_];
    if (rest_)
      MergeExactly(cell, all, rest_[stat - first_]);
    else
      all.Merge(cell);
  }

 private:
  int64_t first_;
  Moments* moments_;
  MomentsRest* rest_;  // of each; null where there is but one cell a statistic
};

void GatherRows(const ForwardJob& job, const KernelTable& kernels, bool threads,
                const Folded& moments) {
  const Geometry& g = *job.geometry;
  const int64_t chunks = RowBlocks(g.reduce).num_chunks(), units = g.num_units();
  Moments* partial = Scratch<PartialTag, Moments>(static_cast<size_t>(units * chunks));
  ForUnitsOfChunks(g.reduce, 0, units, threads, [&](const UnitsOfChunk& task) {
    kernels.reduce_rows(job, task, partial + task.chunk * units + task.first);
  });
  for (int64_t unit = 0; unit < units; ++unit) {
    OrderedMoments cell(job.f64);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) cell.Merge(partial[chunk * units + unit]);
    moments.Add(StatisticOf(g, unit), cell.Get());
  }
}

// Mean and m2 of every column, of the chunks of some units.
class ChunkMoments {
 public:
  ChunkMoments(const Geometry& g, int64_t first_unit, int64_t units)
      : g_(g),
        cut_(ColumnCut::ForSums(g.reduce)),
        first_unit_(first_unit),
        size_(units * cut_.chunks() * cut_.width()),
        mean_(Scratch<PartialTag, double>(static_cast<size_t>(2 * size_))) {}

  const ColumnCut& cut() const { return cut_; }
  void Gather(const ForwardJob& job, const KernelTable& kernels, int64_t task_index) const {
    const ColumnTask task = cut_.Get(task_index);
    double* mean = mean_ + Place(task.unit, task.chunk) + task.first_column;
    kernels.reduce_columns(job, task, mean, mean + size_);
  }
  // Merges the chunks of a unit, in order, into its statistics.
  void Merge(const ForwardJob& job, int64_t unit, const Folded& moments) const {
    if (cut_.chunks() == 1 && !g_.folds) return Copy(unit, moments);
    for (int64_t c = 0; c < cut_.width(); ++c) {
      OrderedMoments column(job.f64);
      for (int64_t chunk = 0; chunk < cut_.chunks(); ++chunk) {
        const double* mean = mean_ + Place(unit, chunk) + c;
        column.Merge({static_cast<double>(cut_.chunk_rows(chunk)), mean[0], mean[size_]});
      }
      moments.Add(StatisticOf(g_, unit * cut_.width() + c), column.Get());
    }
  }

 private:
  // Those of one chunk are the statistics'.
  void Copy(int64_t unit, const Folded& moments) const {
    const auto rows = static_cast<double>(cut_.chunk_rows(0));
    const double* mean = mean_ + Place(unit, 0);
    for (int64_t c = 0; c < cut_.width(); ++c)
      moments.Set(unit * cut_.width() + c, {rows, mean[c], mean[size_ + c]});
  }
  int64_t Place(int64_t unit, int64_t chunk) const {
    return ((unit - first_unit_) * cut_.chunks() + chunk) * cut_.width();
  }

  const Geometry& g_;
  const ColumnCut cut_;
  const int64_t first_unit_, size_;
  double* mean_;  // m2 lies `size_` behind it
};

void GatherColumns(const ForwardJob& job, const KernelTable& kernels, bool threads,
                   const Folded& moments) {
  const Geometry& g = *job.geometry;
  const ChunkMoments chunks(g, 0, g.num_units());
  ForTasks(chunks.cut().size(), PerTask(chunks.cut().task_elements()), threads,
           [&](int64_t first, int64_t last) {
             for (int64_t i = first; i < last; ++i) chunks.Gather(job, kernels, i);
           });
  for (int64_t unit = 0; unit < g.num_units(); ++unit) chunks.Merge(job, unit, moments);
}

// The same of very many columns of few rows: of some parts at a time.
void GatherColumnParts(const ForwardJob& job, const KernelTable& kernels, bool threads,
                       const Folded& moments) {
  const Geometry& g = *job.geometry;
  const ColumnParts parts(g);
  const int64_t some = parts.together(threads), room = parts.room();
  const auto rows = static_cast<double>(g.reduce.reduced.size());
  double* mean = Scratch<PartialTag, double>(static_cast<size_t>(2 * some * room));
  for (int64_t begin = 0, end; begin < parts.size(); begin = end) {
    end = std::min(begin + some, parts.size());
    ParallelFor(end - begin, threads, [&](int64_t i) {
      double* to = mean + 2 * i * room;
      ForColumns(g.reduce, parts.first(begin + i), parts.last(begin + i),
                 [&](const ColumnTask& task) {
                   kernels.reduce_columns(job, task, to, to + room);
                   to += task.last_column - task.first_column;
                 });
    });
    for (int64_t part = begin; part < end; ++part) {
      const double* of_part = mean + 2 * (part - begin) * room;
      const int64_t first = parts.first(part), last = parts.last(part);
      for (int64_t cell = first; cell < last; ++cell, ++of_part) {
        const Moments all{rows, of_part[0], of_part[room]};
        if (!g.folds) {
          moments.Set(cell, all);
          continue;
        }
        OrderedMoments column(job.f64);
        column.Merge(all);
        moments.Add(StatisticOf(g, cell), column.Get());
      }
    }
  }
}

void ForwardColumnUnit(const ForwardJob& job, const KernelTable& kernels, int64_t unit) {
  const Geometry& g = *job.geometry;
  const int64_t runs = g.num_runs / g.num_units();
  const RunTask task{unit * runs, (unit + 1) * runs, 0, g.run_length};
  if (job.prepares()) kernels.prepare_x(job, task);
  const ChunkMoments chunks(g, unit, 1);
  const int64_t tasks = chunks.cut().unit_tasks();
  for (int64_t i = unit * tasks; i < (unit + 1) * tasks; ++i) chunks.Gather(job, kernels, i);
  Moments* moments = Scratch<CellMomentsTag, Moments>(static_cast<size_t>(g.unit_stats));
  const int64_t first_stat = unit * g.unit_stats;
  chunks.Merge(job, unit, Folded(g, first_stat, g.unit_stats, moments));
  kernels.finish_statistics(job, moments, first_stat, first_stat + g.unit_stats);
  const int64_t filled = job.table.size / g.num_units();
  kernels.fill_table(job, unit * filled, (unit + 1) * filled);
  kernels.apply_runs(job, task);
}

// A large unit of rows, where others stand for its parameters: reduced, then written part by part.
void ForwardRowUnit(const ForwardJob& job, const KernelTable& kernels, int64_t unit) {
  const Geometry& g = *job.geometry;
  const int64_t runs = g.num_runs / g.num_units();
  const RunTask task{unit * runs, (unit + 1) * runs, 0, g.run_length};
  if (job.prepares()) kernels.prepare_x(job, task);
  OrderedMoments all(job.f64);
  const int64_t chunks = RowBlocks(g.reduce).num_chunks();
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    Moments moments;
    kernels.reduce_rows(job, {unit, unit + 1, chunk}, &moments);
    all.Merge(moments);
  }
  kernels.finish_statistics(job, &all.Get(), unit, unit + 1);
  ForParameters(job, task, [&](const ForwardJob& of_part, const RunTask& part) {
    kernels.apply_runs(of_part, part);
  });
}

void ForwardStrips(const ForwardJob& job, const KernelTable& kernels, const ColumnCut& cut,
                   int64_t first, int64_t last) {
  WithParameters(job, cut.Strip(first, 0).first_column,
                 [&](const ForwardJob& part) { kernels.forward_strips(part, first, last); });
}

}  // namespace

void Prepare(const ForwardJob& job, const KernelTable& kernels, bool threads) {
  if (job.prepares())
    ForRuns(*job.geometry, threads, [&](const RunTask& task) { kernels.prepare_x(job, task); });
}

void FinishStatistics(const ForwardJob& job, const KernelTable& kernels, bool threads,
                      const Moments* moments) {
  ForTasks(job.geometry->plan.num_stat, kTaskElements / 8, threads,
           [&](int64_t first, int64_t last) {
             kernels.finish_statistics(job, moments + first, first, last);
           });
}

void FillTable(const Job& job, const KernelTable& kernels, bool threads) {
  ForTasks(job.table.size, kTaskElements / 8, threads,
           [&](int64_t first, int64_t last) { kernels.fill_table(job, first, last); });
}

void GatherMoments(const ForwardJob& job, const KernelTable& kernels, bool threads,
                   Moments* moments) {
  const Geometry& g = *job.geometry;
  const Folded folded(g, 0, g.plan.num_stat, moments);
  if (g.plan.size == 0) return;
  if (g.reduce.inner_kept)
    ByColumnParts(job) ? GatherColumnParts(job, kernels, threads, folded)
                       : GatherColumns(job, kernels, threads, folded);
  else
    GatherRows(job, kernels, threads, folded);
}

void Apply(const ForwardJob& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  if (g.plan.size == 0) return;
  if (ByColumnParts(job))
    return ForColumnParts(job, kernels, threads,
                          [&](const ForwardJob& part, int64_t, int64_t, const RunTask& runs) {
                            kernels.apply_runs(part, runs);
                          });
  FillTable(job, kernels, threads);
  ForRuns(
      g, threads,
      [&](const RunTask& task) {
        ForParameters(job, task, [&](const ForwardJob& of_part, const RunTask& part) {
          kernels.apply_runs(of_part, part);
        });
      },
      job.from_end);
}

bool SharesFiniteParameters(const ForwardJob& job, const Schedule& schedule) {
  constexpr int64_t kLeastRows = 64;  // [16,1000001] took 1.08 times as long on two threads
  const Geometry& g = *job.geometry;
  const auto n = static_cast<size_t>(g.plan.num_param);
  const auto are_finite = [n](const void* values) {
    return FirstNonFinite({static_cast<const float*>(values), n}) == n;
  };
  return schedule.stream && !g.cell_form && !g.stat_vector && g.param_vector &&
         g.run_length == g.plan.num_param && g.num_runs >= kLeastRows && !job.relu &&
         !job.finishes && !job.repeats_gamma && !job.repeats_beta && are_finite(job.gamma) &&
         are_finite(job.beta);
}

void ForwardFused(const ForwardJob& job, const KernelTable& kernels, const Schedule& schedule) {
  const Geometry& g = *job.geometry;
  const bool strips = schedule.path == Path::kFusedStrips;
  const ColumnCut cut = ColumnCut::ForStrips(g.reduce);
  const int64_t units = strips ? cut.strips() : g.num_units();
  ForTasks(units, schedule.units_per_task, schedule.threads, [&](int64_t first, int64_t last) {
    const int64_t begin = strips ? cut.Strip(first, 0).first_column : first * g.unit_stats;
    const int64_t end = strips ? cut.Strip(last - 1, 0).last_column : last * g.unit_stats;
    WithStatistics(job, begin, end, [&](const ForwardJob& part) {
      if (strips) return ForwardStrips(part, kernels, cut, first, last);
      const bool rows = schedule.path == Path::kFusedRows;
      if (rows && !job.repeats_gamma && !job.repeats_beta)
        return kernels.forward_rows(part, first, last);
      for (int64_t unit = first; unit < last; ++unit)
        rows ? ForwardRowUnit(part, kernels, unit) : ForwardColumnUnit(part, kernels, unit);
    });
  });
}

}  // namespace normkit::norm::cpu
