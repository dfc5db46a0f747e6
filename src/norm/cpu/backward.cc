#include "src/norm/cpu/backward.h"

#include <algorithm>

#include "src/core/ceil_divide.h"
#include "src/core/scratch.h"
#include "src/norm/cpu/cell_sums.h"
#include "src/norm/cpu/column_parts.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/forward.h"
#include "src/norm/cpu/from_y.h"
#include "src/norm/cpu/parameter_parts.h"

namespace normkit::norm::cpu {
namespace {

struct PartialTag;
struct RanksTag;
struct RestTag;
struct StatisticRestTag;
struct StripSumsTag;
struct PieceCellsTag;
struct PieceSumsTag;

void ToXhat(const BackwardJob& job, int64_t first, int64_t last) {
  job.f64 ? CellsToXhat<double>(job, first, last) : CellsToXhat<float>(job, first, last);
}

// Sums of w and w * xhat of statistics from `first` on, from those of their cells; of more cells
// than statistics in f64 with what rounding takes.
class StatisticSums {
 public:
  StatisticSums(const BackwardJob& job, int64_t cells, int64_t first, int64_t last)
      : job_(job),
        first_(first),
        n_(last - first),
        // From y nothing of what rounding takes is kept, as MergeCells keeps none of it.
        rest_(job.f64 && cells > n_ && !job.statistics
                  ? Scratch<StatisticRestTag, double>(static_cast<size_t>(2 * n_))
                  : nullptr) {
    if (rest_) std::fill_n(rest_, 2 * n_, 0.0);
  }

  // Adds those of cells [first, last), in order.
  void Add(const BackwardJob& job, int64_t first, int64_t last) const {
    const Geometry& g = *job.geometry;
    if (!job.f64) return WeighCellsOf(job, first, last);
    for (int64_t cell = first; cell < last; ++cell) {
      const int64_t stat = g.StatOf(cell), i = stat - first_;
      const double gamma = GammaOf(job, g.ParamOf(cell));
      const double w = gamma * job.cells.dy[cell], w_xhat = gamma * job.cells.dy_x[cell];
      if (!rest_) {
        job.means.w[stat] += w, job.means.w_xhat[stat] += w_xhat;
        continue;
      }
      AddExactly(w, job.means.w[stat], rest_[i]);
      AddExactly(w_xhat, job.means.w_xhat[stat], rest_[n_ + i]);
    }
  }
  void End() const {
    if (!rest_) return;
    AddRests(n_, rest_, job_.means.w + first_);
    AddRests(n_, rest_ + n_, job_.means.w_xhat + first_);
  }

 private:
  const BackwardJob& job_;
  int64_t first_, n_;
  double* rest_;
};

// Sums of w and w * xhat of statistics from those of their cells; cells [first, last).
void AddCellsToStatistics(const BackwardJob& job, int64_t first, int64_t last, int64_t first_stat,
                          int64_t last_stat) {
  const StatisticSums sums(job, last - first, first_stat, last_stat);
  sums.Add(job, first, last);
  sums.End();
  if (job.statistics) MergeCells(job, first, last);
}

// Sums of cells [first, last), each of contiguous runs.
void GatherRowCells(const BackwardJob& job, const KernelTable& kernels, bool threads, int64_t first,
                    int64_t last) {
  const Nest& nest = job.geometry->cells;
  const int64_t chunks = RowBlocks(nest).num_chunks(), n = last - first;
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * n * chunks));
  ForUnitsOfChunks(nest, first, last, threads, [&](const UnitsOfChunk& task) {
    kernels.reduce_gradient_rows(job, task, partial + 2 * (task.chunk * n + task.first - first));
  });
  double* of_dy = job.cells.dy + first;
  double* of_dy_x = job.cells.dy_x + first;
  if (chunks == 1) {  // sums of one term
    for (int64_t cell = 0; cell < n; ++cell)
      of_dy[cell] = 0 + partial[2 * cell], of_dy_x[cell] = 0 + partial[2 * cell + 1];
    return;
  }
  for (int64_t cell = 0; cell < n; ++cell) {
    OrderedSum dy(job.f64), dy_x(job.f64);
    for (int64_t i = cell; i < chunks * n; i += n)
      dy.Add(partial[2 * i]), dy_x.Add(partial[2 * i + 1]);
    of_dy[cell] = dy.Get(), of_dy_x[cell] = dy_x.Get();
  }
}

// Sums of the cells of units [first, last) of columns: those of chunks, added up in order.
void GatherColumnCells(const BackwardJob& job, const KernelTable& kernels, bool threads,
                       int64_t first, int64_t last) {
  const ColumnCut cut = ColumnCut::ForSums(job.geometry->cells);
  const int64_t width = cut.width(), chunks = cut.chunks(), half = (last - first) * chunks * width;
  const bool one = chunks == 1;  // which are those of the cells
  double* partial = one ? nullptr : Scratch<PartialTag, double>(static_cast<size_t>(2 * half));
  const auto at = [&](int64_t unit, int64_t chunk) {
    if (one) return job.cells.From(unit * width);
    double* dy = partial + ((unit - first) * chunks + chunk) * width;
    return CellSums{dy, dy + half};
  };
  const int64_t begin = first * cut.unit_tasks(), end = last * cut.unit_tasks();
  ForTasks(end - begin, PerTask(cut.task_elements()), threads, [&](int64_t from, int64_t to) {
    for (int64_t i = begin + from; i < begin + to; ++i) {
      const ColumnTask task = cut.Get(i);
      const CellSums sums = at(task.unit, task.chunk);
      kernels.reduce_gradient_columns(job, task,
                                      {sums.dy + task.first_column, sums.dy_x + task.first_column});
    }
  });
  for (int64_t unit = first; unit < last && !one; ++unit) {
    double* dy = job.cells.dy + unit * width;
    double* dy_x = job.cells.dy_x + unit * width;
    for (int64_t c = 0; c < width; ++c) {
      OrderedSum of_dy(job.f64), of_dy_x(job.f64);
      for (int64_t chunk = 0; chunk < chunks; ++chunk)
        of_dy.Add(at(unit, chunk).dy[c]), of_dy_x.Add(at(unit, chunk).dy_x[c]);
      dy[c] = of_dy.Get(), dy_x[c] = of_dy_x.Get();
    }
  }
}

// Sums of cells [first, last) of a part of columns.
void GatherColumnPart(const BackwardJob& part, const KernelTable& kernels, int64_t first,
                      int64_t last) {
  const int64_t width = part.geometry->cells.inner;
  ForColumns(part.geometry->cells, first, last, [&](const ColumnTask& task) {
    kernels.reduce_gradient_columns(part, task,
                                    part.cells.From(task.unit * width + task.first_column));
  });
}

// Units [first, last) of the fused paths: their cells, their statistics, their dx.
void BackwardUnits(const BackwardJob& job, const KernelTable& kernels, int64_t first,
                   int64_t last) {
  const Geometry& g = *job.geometry;
  const int64_t cells = g.num_cells / g.num_units();
  const int64_t first_cell = first * cells, last_cell = last * cells;
  const int64_t first_stat = first * g.unit_stats, last_stat = last * g.unit_stats;
  const int64_t runs = g.num_runs / g.num_units();
  const RunTask task{first * runs, last * runs, 0, g.run_length};
  if (g.reduce.inner_kept) {
    kernels.fill_table(job, first_cell, last_cell);
    if (job.prepares()) kernels.prepare_dy(job, task);
    GatherColumnCells(job, kernels, false, first, last);
  } else {
    kernels.prepare_dy_units(job, first, last);
    GatherRowCells(job, kernels, false, first_cell, last_cell);
  }
  ToXhat(job, first_cell, last_cell);
  const XhatMeans means = job.means.From(first_stat);
  means.Clear(last_stat - first_stat);
  if (!job.fixed) AddCellsToStatistics(job, first_cell, last_cell, first_stat, last_stat);
  const auto count = static_cast<double>(g.plan.num_reduced);
  means.Divide(last_stat - first_stat, count, SquaresDivisor(job.divisor, count), job.center);
  if (g.reduce.inner_kept) {
    kernels.fill_gradient_table(job, first_cell, last_cell);
    kernels.apply_gradient_runs(job, task);
  } else {
    kernels.apply_gradient_units(job, first, last);
  }
}

// Whether cells lie one behind the other, each a short run of a unit with one statistic.
bool AreSmallCells(const BackwardJob& job) {
  constexpr int64_t kMost = 64;  // elements
  const Geometry& g = *job.geometry;
  return !job.pitched && !job.fixed && !job.statistics && !g.reduce.inner_kept &&
         !g.cells.inner_kept && g.cells.reduced.size() == 1 && g.cells.inner <= kMost &&
         g.statistics.reduced.size() == 1 && g.units_contiguous && g.unit_stats == 1;
}

// Sums of every cell, over threads.
void GatherCells(const BackwardJob& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  if (ByColumnParts(job)) {
    ForColumnParts(job, kernels, threads,
                   [&](const BackwardJob& part, int64_t first, int64_t last, const RunTask&) {
                     GatherColumnPart(part, kernels, first, last);
                   });
  } else if (g.cells.inner_kept) {
    FillTable(job, kernels, threads);
    GatherColumnCells(job, kernels, threads, 0, g.cells.kept.size());
  } else {
    GatherRowCells(job, kernels, threads, 0, g.num_cells);
  }
}

void AddCellsToParameters(const BackwardJob& job, bool threads, const ParameterSums& parameters) {
  if (!parameters.wanted()) return;
  const Geometry& g = *job.geometry;
  if (!job.f64) return AddCells(g, threads, 0, g.num_cells, job.cells, parameters);
  const int64_t n = g.plan.num_param;
  double* rest = Scratch<RestTag, double>(static_cast<size_t>(2 * n));
  std::fill_n(rest, 2 * n, 0.0);
  AddCells(g, threads, 0, g.num_cells, job.cells,
           {parameters.dgamma, parameters.dbeta, rest, rest + n});
  AddRests(n, rest, parameters.dgamma);
  AddRests(n, rest + n, parameters.dbeta);
}

// dx of a task of a job that makes its cells some at a time.
void ApplyFromY(const BackwardJob& job, const KernelTable& kernels, RunTask task) {
  constexpr int64_t kMost = 1 << 12;  // cells
  const Loops& cells = job.geometry->run_cell;
  for (const int64_t end = task.last_run; task.first_run < end; task.first_run = task.last_run) {
    const int64_t first = cells.Offset(task.first_run);
    const int64_t n = std::min({end - task.first_run, cells.InARow(task.first_run), kMost});
    task.last_run = task.first_run + n;
    kernels.apply_gradient_runs(ThroughCells(OfCells(job, first, first + n), first, first + n),
                                task);
  }
}

// Cells by the parameters that they share, a piece of those at a time. The parameters of all cells
// are the same over and over, `turns` times.
constexpr int64_t kPieceCells = 1 << 14, kPieceElements = 1 << 20;
constexpr int64_t kTogether = 1 << 18;  // cells of pieces that are summed before they are added up
class CellPieces {
 public:
  CellPieces(const BackwardJob& job, const KernelTable& kernels, int64_t each)
      : job_(job),
        kernels_(kernels),
        columns_(job.geometry->cells.inner_kept),
        parts_(*job.geometry),
        params_(job.geometry->plan.num_param),
        each_(columns_ ? parts_.room() : each),
        turns_(job.geometry->num_cells / params_) {}

  int64_t size() const { return columns_ ? parts_.size() : CeilDivide(params_, each_); }
  int64_t room() const { return turns_ * each_; }  // cells of a piece

  // Sums of dy and dy * xhat of the cells of a piece, a room of each.
  void Sum(int64_t piece, double* dy) const {
    ForTurns(piece, dy, [&](const BackwardJob& job, int64_t first, int64_t last) {
      WithCells(job, first, last, [&](const BackwardJob& own) {
        if (columns_)
          WithTable(own, kernels_, first, last, [&](const BackwardJob& part) {
            GatherColumnPart(part, kernels_, first, last);
          });
        else
          GatherRowCells(own, kernels_, false, first, last);
        ToXhat(own, first, last);
      });
    });
  }
  // What they add to their statistics.
  void AddTo(const StatisticSums& sums, int64_t piece, double* dy) const {
    ForTurns(piece, dy, [&](BackwardJob job, int64_t first, int64_t last) {
      if (job.statistics) job.geometry = job.statistics;  // not those of a statistic a cell
      sums.Add(job, first, last);
    });
  }
  // The sums of their parameters.
  void Give(int64_t piece, const double* dy, const SumsTo& to) const {
    const int64_t first = First(piece), n = Last(piece) - first;
    double* sums = Scratch<PieceSumsTag, double>(static_cast<size_t>((job_.f64 ? 4 : 2) * n));
    const double* from[] = {dy + room(), dy};  // those of dgamma are of dy * xhat
    for (double* sum = sums; const double* cells : from) {
      double* rest = job_.f64 ? sum + 2 * n : nullptr;
      std::fill_n(sum, n, 0.0);
      if (rest) std::fill_n(rest, n, 0.0);
      for (int64_t turn = 0; turn < turns_; ++turn, cells += each_) {
        if (!rest) {
          AddAll(n, cells, sum);
          continue;
        }
        for (int64_t i = 0; i < n; ++i) AddExactly(cells[i], sum[i], rest[i]);
      }
      if (rest) AddRests(n, rest, sum);
      sum += n;
    }
    to(first, n, sums, sums + n);
  }

 private:
  // Parameters.
  int64_t First(int64_t piece) const { return columns_ ? parts_.first(piece) : piece * each_; }
  int64_t Last(int64_t piece) const {
    return columns_ ? parts_.last(piece) : std::min(First(piece) + each_, params_);
  }
  template <class F>
  void ForTurns(int64_t piece, double* dy, const F& f) const {
    const int64_t param = First(piece), n = Last(piece) - param;
    BackwardJob job = job_;
    WithParameters(job_, param, [&](const BackwardJob& of_piece) { job = of_piece; });
    for (int64_t turn = 0; turn < turns_; ++turn) {
      const int64_t first = turn * params_ + param;
      double* of_turn = dy + turn * each_;
      job.cells = {Before(of_turn, first), Before(of_turn + room(), first)};
      f(job, first, first + n);
    }
  }

  const BackwardJob& job_;
  const KernelTable& kernels_;
  bool columns_;  // with a parameter each: the same as theirs, and one turn
  ColumnParts parts_;
  int64_t params_, each_, turns_;
};

}  // namespace

void AddCells(const Geometry& g, bool threads, int64_t first, int64_t last, const CellSums& cells,
              const ParameterSums& to) {
  constexpr int64_t kTogether = 256, kWorth = 1 << 14;  // parameters, cells
  const int64_t params = g.plan.num_param;
  // Their bounds are too far off for what f64 rounds.
  if (to.dgamma_rest) {
    for (int64_t cell = first; cell < last; ++cell) {
      const int64_t p = g.ParamOf(cell);
      AddExactly(cells.dy_x[cell - first], to.dgamma[p], to.dgamma_rest[p]);
      AddExactly(cells.dy[cell - first], to.dbeta[p], to.dbeta_rest[p]);
    }
    return;
  }
  threads &= last - first >= kWorth;
  const auto each = [&](int64_t i, const auto& add) {
    i % 2 ? add(cells.dy, to.dbeta) : add(cells.dy_x, to.dgamma);
  };
  // Of a parameter, what is added stays in order: whether they come in any, some in a row,
  if (g.cell_param.InARow(0) != params)
    return ParallelFor(2, threads, [&](int64_t i) {
      each(i, [&](const double* from, double* sums) {
        for (int64_t cell = first, n; cell < last; cell += n) {
          n = std::min(g.cell_param.InARow(cell), last - cell);
          AddAll(n, from + cell - first, sums + g.ParamOf(cell));
        }
      });
    });
  // or all of them over and over.
  ParallelFor(2 * CeilDivide(params, kTogether), threads, [&](int64_t i) {
    const int64_t begin = i / 2 * kTogether, end = std::min(begin + kTogether, params);
    each(i, [&](const double* from, double* sums) {
      for (int64_t turn = first / params * params; turn < last; turn += params) {
        const int64_t cell = std::max(first, turn + begin);
        const int64_t n = std::min(last, turn + end) - cell;
        if (n > 0) AddAll(n, from + cell - first, sums + cell - turn);
      }
    });
  });
}

void PrepareGradient(const BackwardJob& job, const KernelTable& kernels, bool threads) {
  if (!job.prepares()) return;
  if (job.activates && ByColumnParts(job))
    return ForColumnParts(job, kernels, threads,
                          [&](const BackwardJob& part, int64_t, int64_t, const RunTask& runs) {
                            kernels.prepare_dy(part, runs);
                          });
  if (job.activates) FillTable(job, kernels, threads);
  ForRuns(*job.geometry, threads, [&](const RunTask& task) {
    ForParameters(job, task, [&](const BackwardJob& of_part, const RunTask& part) {
      kernels.prepare_dy(of_part, part);
    });
  });
}

void ShareMeans(const BackwardJob& job, Reducer* reducer) {
  const int64_t n = job.geometry->plan.num_stat;
  auto count = static_cast<double>(job.geometry->plan.num_reduced);
  if (reducer) {  // all in one exchange
    double* all = Scratch<RanksTag, double>(static_cast<size_t>(2 * n + 1));
    std::copy_n(job.means.w, n, all);
    std::copy_n(job.means.w_xhat, n, all + n);
    all[2 * n] = count;
    reducer->Sum({all, static_cast<size_t>(2 * n + 1)});
    std::copy_n(all, n, job.means.w);
    std::copy_n(all + n, n, job.means.w_xhat);
    count = all[2 * n];
  }
  job.means.Divide(n, count, SquaresDivisor(job.divisor, count), job.center);
}

void SumCells(const BackwardJob& job, const KernelTable& kernels, bool threads,
              const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  PrepareGradient(job, kernels, threads);
  job.means.Clear(g.plan.num_stat);
  if (g.plan.size == 0) return;
  GatherCells(job, kernels, threads);
  ToXhat(job, 0, g.num_cells);
  if (!job.fixed) AddCellsToStatistics(job, 0, g.num_cells, 0, g.plan.num_stat);
  AddCellsToParameters(job, threads, parameters);
}

void ApplyCells(const BackwardJob& job, const KernelTable& kernels, bool threads) {
  if (!job.dx || job.geometry->plan.size == 0) return;
  const bool makes = MakesCells(job);
  if (ByColumnParts(job))
    return ForColumnParts(
        job, kernels, threads,
        [&](const BackwardJob& part, int64_t first, int64_t last, const RunTask& runs) {
          const BackwardJob own = makes ? ThroughCells(part, first, last) : part;
          kernels.fill_gradient_table(own, first, last);
          kernels.apply_gradient_runs(own, runs);
        });
  FillTable(job, kernels, threads);
  ForTasks(job.table.size, kTaskElements / 8, threads,
           [&](int64_t first, int64_t last) { kernels.fill_gradient_table(job, first, last); });
  ForRuns(
      *job.geometry, threads,
      [&](const RunTask& task) {
        ForParameters(job, task, [&](const BackwardJob& of_part, const RunTask& part) {
          if (makes) return ApplyFromY(of_part, kernels, part);
          kernels.apply_gradient_runs(of_part, part);
        });
      },
      job.from_end);
}

void BackwardCells(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                   Reducer* reducer, const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  if ((schedule.path != Path::kFusedRows && schedule.path != Path::kFusedColumns) || !job.dx) {
    SumCells(job, kernels, schedule.threads, parameters);
    if (!job.fixed) ShareMeans(job, reducer);
    return ApplyCells(job, kernels, schedule.threads);
  }
  const bool small = kernels.backward_small_cells && AreSmallCells(job);
  // Tasks that go one after the other leave what parameters want in the cache.
  const bool at_once = small && !schedule.threads && parameters.wanted();
  const int64_t cells = g.num_cells / std::max<int64_t>(1, g.num_units());
  ForTasks(g.num_units(), schedule.units_per_task, schedule.threads,
           [&](int64_t first, int64_t last) {
             if (small) kernels.backward_small_cells(job, first, last);
             if (at_once)
               AddCells(g, false, first * cells, last * cells, job.cells.From(first * cells),
                        parameters);
             if (small) return;
             for (int64_t unit = first; unit < last; unit += job.group)
               BackwardUnits(job, kernels, unit, std::min(unit + job.group, last));
           });
  if (g.plan.size > 0 && !at_once) AddCellsToParameters(job, schedule.threads, parameters);
}

int64_t ParametersOfPiece(const Geometry& g, const Schedule& schedule) {
  constexpr int64_t kMany = 1 << 17, kLeast = 1 << 9;
  constexpr int64_t kManyFused = 1 << 21, kShort = 4;  // cells, elements of one
  const int64_t params = g.plan.num_param;
  if (WorthColumnParts(g, /*backward=*/true, schedule.threads))
    return schedule.path == Path::kTwoPasses ? ColumnParts(g).room() : 0;
  const bool suits =
      g.cell_form && !g.cells.inner_kept && g.plan.size > 0 && g.cell_param.InARow(0) == params;
  if (const int64_t wanted = WantedSlices(); suits && wanted > 0) return std::min(wanted, params);
  // Units in the caches are read from memory once; sums of very short cells are more than those.
  const bool fused = schedule.path != Path::kTwoPasses;
  if (!suits || g.num_cells <= (fused ? kManyFused : kMany) || (fused && g.cells.inner > kShort))
    return 0;
  // Large cells go to all threads nevertheless.
  const int64_t cells = std::min(kPieceCells, kPieceElements / (g.plan.size / g.num_cells));
  const int64_t each = std::max(kLeast, cells / (g.num_cells / params));
  return each < params ? each : 0;
}

void BackwardPieces(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                    Reducer* reducer, const SumsTo& to) {
  const Geometry& g = job.statistics ? *job.statistics : *job.geometry;
  const CellPieces pieces(job, kernels, ParametersOfPiece(g, schedule));
  const int64_t room = 2 * pieces.room();
  const int64_t most = std::max<int64_t>(1, kTogether / pieces.room());
  const int64_t some = schedule.threads ? std::min<int64_t>(most, 4 * NumThreads()) : 1;
  PrepareGradient(job, kernels, schedule.threads);
  job.means.Clear(g.plan.num_stat);
  const StatisticSums sums(job, g.num_cells, 0, g.plan.num_stat);
  double* dy = Scratch<PieceCellsTag, double>(static_cast<size_t>(some * room));
  for (int64_t first = 0, last; first < pieces.size(); first = last) {
    last = std::min(first + some, pieces.size());
    ParallelFor(last - first, schedule.threads, [&](int64_t i) {
      pieces.Sum(first + i, dy + i * room);
      if (to) pieces.Give(first + i, dy + i * room, to);
    });
    for (int64_t i = 0; i < last - first && !job.fixed; ++i)
      pieces.AddTo(sums, first + i, dy + i * room);
  }
  sums.End();
  if (!job.fixed && !MakesCells(job)) ShareMeans(job, reducer);
  ApplyCells(job, kernels, schedule.threads);
}

void BackwardStrips(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                    const SumsTo& to) {
  const ColumnCut cut = ColumnCut::ForStrips(job.geometry->reduce);
  ForTasks(cut.strips(), schedule.units_per_task, schedule.threads,
           [&](int64_t first, int64_t last) {
             double* dgamma = Scratch<StripSumsTag, double>(2 * kMaxStripColumns);
             double* dbeta = dgamma + kMaxStripColumns;
             for (int64_t i = first; i < last; ++i) {
               const ColumnTask strip = cut.Strip(i, 0);
               WithParameters(job, strip.first_column, [&](const BackwardJob& part) {
                 kernels.backward_strip(part, i, dgamma, dbeta);
               });
               if (to && !job.straight)
                 to(strip.first_column, strip.last_column - strip.first_column, dgamma, dbeta);
             }
           });
}

}  // namespace normkit::norm::cpu
