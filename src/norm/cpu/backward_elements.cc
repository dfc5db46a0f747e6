// The backward pass of layouts in element form.
#include <algorithm>
#include <bit>
#include <ranges>
#include <utility>

#include "src/core/ceil_divide.h"
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

int64_t wanted_slices = 0;

constexpr int64_t kMaxTasks = 64;  // whose sums of the parameters are merged

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

// The same of tasks that come one after the other, of few parameters: of each level of the tree the
// sums so far. Tasks that are left out count as zeros.
class OrderedTaskSums {
 public:
  // Of n parameters from `first` on.
  OrderedTaskSums(bool f64, int64_t first, int64_t n, int64_t tasks)
      : f64_(f64), first_(first), n_(n), size_((f64 ? 4 : 2) * n) {
    const int64_t arrays = std::min<int64_t>(tasks, std::size(firsts_));
    sums_ = Scratch<PartSumsTag, double>(static_cast<size_t>(arrays * size_));
  }
  // Zeros for a task, or what there is of it if it is the last one.
  ParameterSums Of(int64_t task) {
    if (count_ > 0 && task == task_) return Last();
    EndTask();
    // What meets below the node where it meets the task.
    while (count_ > 1 && Level(firsts_[count_ - 2], task_) < Level(task_, task)) MergeLast();
    std::fill_n(sums_ + size_ * count_, size_, 0.0);
    firsts_[count_++] = task_ = task;
    return Last();
  }
  // Those of all tasks.
  ParameterSums All() {
    EndTask();
    while (count_ > 1) MergeLast();
    return Last();
  }

 private:
  ParameterSums Last() const {
    double* dgamma = sums_ + size_ * (count_ - 1);
    const bool f64 = f64_;
    return {.dgamma = dgamma,
            .dbeta = dgamma + n_,
            .dgamma_rest = f64 ? dgamma + 2 * n_ : nullptr,
            .dbeta_rest = f64 ? dgamma + 3 * n_ : nullptr,
            .first = first_,
            .count = n_};
  }
  void EndTask() const {
    if (f64_ && count_ > 0) AddRests(2 * n_, Last().dgamma_rest, Last().dgamma);
  }
  void MergeLast() {
    const double* from = Last().dgamma;
    --count_;
    AddAll(2 * n_, from, Last().dgamma);
  }

  static int Level(int64_t a, int64_t b) {
    return static_cast<int>(std::bit_width(static_cast<uint64_t>(a ^ b)));
  }

  bool f64_;
  int64_t first_, n_, size_;
  int64_t task_ = 0, count_ = 0;  // the last one; arrays of sums that are not merged yet
  int64_t firsts_[std::bit_width(static_cast<uint64_t>(kMaxTasks))] = {};  // tasks of these
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

// Sums of w and w * (x - hi) of blocks of runs, and those of statistics from them: of each chunk,
// then of all chunks; or, `in_one`, of all blocks in one sum each, as units in rows are.
class RunSums {
 public:
  RunSums(const BackwardJob& job, const KernelTable& kernels, bool in_one)
      : job_(job),
        kernels_(kernels),
        blocks_(job.geometry->elements, ShortRuns::kTogether),
        each_(in_one ? kFew : RowBlocks::kChunkBlocks),
        parts_(CeilDivide(blocks_.num_blocks(), each_)),
        kept_(in_one ? blocks_.num_blocks() : parts_),
        n_(job.geometry->plan.num_stat),
        in_one_(in_one),
        w_(Scratch<PartialTag, double>(static_cast<size_t>(2 * n_ * kept_))) {}

  void Find(bool threads) const {
    const int64_t part_elements = job_.geometry->plan.num_reduced / std::max<int64_t>(1, parts_);
    const int64_t per_task = in_one_ ? 1 : PerTask(part_elements);
    ForTasks(n_ * parts_, per_task, threads, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) SumPart(i / parts_, i % parts_);
    });
    for (int64_t s = 0; s < n_; ++s) {
      job_.means.w[s] = SumOf(kept_, w_ + s * kept_);
      job_.means.w_xhat[s] = SumOf(kept_, w_ + (n_ + s) * kept_);
    }
  }

 private:
  static constexpr int64_t kFew = 16;  // blocks that threads take at a time of a few long rows

  void SumPart(int64_t s, int64_t part) const {
    const int64_t first = part * each_, last = std::min(first + each_, blocks_.num_blocks());
    double some[2 * RowBlocks::kChunkBlocks];
    double *w = some, *w_x = some + RowBlocks::kChunkBlocks;
    if (in_one_) w = w_ + s * kept_ + first, w_x = w + n_ * kept_;
    WithParameters(job_, blocks_.Get(first).offset, [&](const BackwardJob& of_part) {
      kernels_.reduce_element_runs(of_part, s, first, last, w, w_x);
    });
    if (in_one_) return;
    w_[s * kept_ + part] = SumOf(last - first, w);
    w_[(n_ + s) * kept_ + part] = SumOf(last - first, w_x);
  }
  double SumOf(int64_t n, const double* terms) const {
    OrderedSum sum(job_.f64);
    for (int64_t i = 0; i < n; ++i) sum.Add(terms[i]);
    return sum.Get();
  }

  const BackwardJob& job_;
  const KernelTable& kernels_;
  const RowBlocks blocks_;
  const int64_t each_, parts_, kept_, n_;
  const bool in_one_;
  double* w_;
};

// Layer and RMS normalization of whole rows have their tasks cut by units (schedule.cc), each of
// which is summed and written while the next one comes from memory; all others by runs.
RunWalk WalkOf(const BackwardJob& job, const Schedule& schedule, const Reducer* reducer) {
  if (schedule.path == Path::kFusedRows && job.dx) return RunWalk::kRows;
  const bool units = schedule.path == Path::kFusedRuns && NeedsMeans(job, reducer);
  return units ? RunWalk::kUnits : RunWalk::kParts;
}

// The runs of one task.
int64_t TaskRuns(const Geometry& g, RunWalk walk, int64_t units_per_task) {
  const int64_t unit_runs = g.elements.reduced.size();
  if (walk == RunWalk::kRows) return units_per_task * unit_runs;
  const int64_t slots = g.plan.num_param / g.run_length;
  const int64_t runs = std::max(kTaskRuns * slots, CeilDivide(g.num_runs, kMaxTasks));
  return walk == RunWalk::kUnits ? CeilDivide(runs, unit_runs) * unit_runs : runs;
}

// dx and the sums of the parameters, of all runs.
void WriteRuns(const BackwardJob& job, const KernelTable& kernels, RunWalk walk,
               int64_t units_per_task, bool threads, const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  if (g.plan.size == 0 || !(job.dx || parameters.wanted())) return;
  const int64_t task_runs = TaskRuns(g, walk, units_per_task);
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
void FindMeans(const BackwardJob& job, const KernelTable& kernels, bool threads, Reducer* reducer,
               bool in_one = false) {
  const bool needs = NeedsMeans(job, reducer);
  PrepareGradient(job, kernels, threads);
  if (needs && job.geometry->plan.size > 0) RunSums(job, kernels, in_one).Find(threads);
  if (needs) ToXhat(job), ShareMeans(job, reducer);
}

void BackwardRuns(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                  Reducer* reducer, const ParameterSums& parameters) {
  const RunWalk walk = WalkOf(job, schedule, reducer);
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

int64_t StripsOfTask(const Geometry& g, const ColumnCut& cut) {
  return std::max(CeilDivide(cut.strips(), kMaxTasks), CeilDivide(kMinStripColumns, g.run_length));
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
  const int64_t strips = StripsOfTask(g, cut);
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

// What passes through the statistics of columns, but where that is summed strip by strip. Whether
// it is.
bool FindColumnMeans(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                     Reducer* reducer) {
  const bool needs = NeedsMeans(job, reducer);
  const bool fused = needs && schedule.path == Path::kFusedColumns;
  if (!fused && job.means.w) job.means.Clear(job.geometry->plan.num_stat);
  PrepareGradient(job, kernels, schedule.threads);
  if (needs && !fused) {
    if (job.geometry->plan.size > 0) SumColumns(job, kernels, schedule.threads);
    ToXhat(job);
    ShareMeans(job, reducer);
  }
  return fused;
}

void BackwardColumns(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                     Reducer* reducer, const ParameterSums& parameters) {
  const bool fused = FindColumnMeans(job, kernels, schedule, reducer);
  WriteColumns(job, kernels, fused, schedule.threads, parameters);
}

constexpr int64_t kMostStripSums = 1 << 20;  // that are kept

// BackwardSlices of columns that share the parameters of their rows, which units have for
// themselves: all strips of some units.
bool BackwardUnitSlices(const BackwardJob& job, const KernelTable& kernels,
                        const Schedule& schedule, Reducer* reducer, const SumsTo& to) {
  const Geometry& g = *job.geometry;
  const ColumnCut cut = ColumnCut::ForStrips(g.elements);
  const int64_t units = g.elements.kept.size(), rows = cut.rows(), strips = cut.strips() / units;
  const int64_t each = StripsOfTask(g, cut), tasks = CeilDivide(cut.strips(), each);
  const int64_t least = schedule.threads ? NumThreads() : 2;
  const bool worth =
      wanted_slices > 0 || (tasks * g.plan.num_param > kMostStripSums && units >= least);
  const bool in_a_row = g.plan.num_param == units * rows && g.reduced_param.InARow(0) == rows &&
                        g.kept_param.PassFrom(0).size == units;
  if (!worth || !in_a_row) return false;
  const bool fused = FindColumnMeans(job, kernels, schedule, reducer);
  const int64_t some =
      std::clamp<int64_t>(PerTask(rows * g.run_length), 1, CeilDivide(units, 2 * NumThreads()));
  ForTasks(units, some, schedule.threads, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * rows, n = (end - begin) * rows;
    const int64_t first_strip = begin * strips, last_strip = end * strips;
    const int64_t met = CeilDivide(last_strip - first_strip, each) + 1;
    OrderedTaskSums sums(job.f64, first, n, std::min(tasks, met));
    for (int64_t strip = first_strip, last; strip < last_strip; strip = last) {
      last = std::min((strip / each + 1) * each, last_strip);
      kernels.backward_columns(job, {strip, last, 0, rows, fused}, sums.Of(strip / each));
    }
    const ParameterSums all = sums.All();
    to(first, n, all.dgamma, all.dbeta);
  });
  return true;
}

// The same of columns whose elements have a parameter each: a strip of one unit, or of all units
// where they share them.
bool BackwardStripSlices(const BackwardJob& job, const KernelTable& kernels,
                         const Schedule& schedule, Reducer* reducer, const SumsTo& to) {
  const Geometry& g = *job.geometry;
  const ColumnCut cut = ColumnCut::ForStrips(g.elements);
  const auto moves = [](const Loops::Loop& loop) { return loop.stride != 0; };
  const bool shared = std::ranges::none_of(g.kept_param.loops(), moves);
  const bool apart = shared || std::ranges::all_of(g.kept_param.loops(), moves);
  const bool rows_apart = std::ranges::all_of(g.reduced_param.loops(), moves);
  const int64_t each = StripsOfTask(g, cut), tasks = CeilDivide(cut.strips(), each);
  const int64_t units = shared ? g.elements.kept.size() : 1, slices = cut.strips() / units;
  const int64_t least = schedule.threads ? 2 * NumThreads() : 1;
  const bool worth =
      wanted_slices > 0 || (tasks * g.plan.num_param > kMostStripSums && slices >= least);
  if (!apart || !rows_apart || !worth) return false;
  const bool fused = FindColumnMeans(job, kernels, schedule, reducer);
  ParallelFor(slices, schedule.threads, [&](int64_t i) {
    const ColumnTask strip = cut.Strip(i, 0);
    const int64_t width = strip.last_column - strip.first_column;
    OrderedTaskSums sums(job.f64, 0, cut.rows() * width, std::min(tasks, units));
    for (int64_t index = i; index < i + units * slices; index += slices)
      kernels.backward_columns(job, {index, index + 1, 0, cut.rows(), fused},
                               sums.Of(index / each));
    const ParameterSums all = sums.All();
    const int64_t first = g.kept_param.Offset(strip.unit) + strip.first_column;
    for (int64_t row = 0; row < cut.rows(); ++row)
      to(first + g.reduced_param.Offset(row), width, all.dgamma + row * width,
         all.dbeta + row * width);
  });
  return true;
}

// Where the runs lie that begin at one parameter, a slot: so many of each, `step` apart, where all
// slots have theirs alike.
struct SlotRuns {
  int64_t each = 1, step = 0;  // 0: they do not
};
SlotRuns FindSlotRuns(const Geometry& g) {
  SlotRuns result;
  int64_t next = g.run_length;  // the parameter of the next slot
  int turns = 0;                // from loops over slots to those over runs of one, and back
  bool over_slots = false, inner = true;
  const auto add = [&](const Loops& loops) {
    for (const Loops::Loop& loop : std::views::reverse(loops.loops())) {
      const bool moves = loop.stride != 0;
      if (moves && loop.stride != next) turns = 2;
      if (!inner && moves != over_slots) ++turns;
      if (inner) result.step = moves ? g.plan.num_param / g.run_length : 1;
      over_slots = moves, inner = false;
      (moves ? next : result.each) *= loop.size;
    }
  };
  add(g.reduced_param);
  add(g.kept_param);
  if (inner) result.step = 1;
  return turns > 1 ? SlotRuns{.each = 1, .step = 0} : result;
}

// Many parameters by slices, each with all that belongs to it, so that their sums go where they
// belong at once instead of all being kept: parts of long runs, which are taken when all means are
// known, or some slots.
class Slices {
 public:
  Slices(const Geometry& g, const Schedule& schedule, RunWalk walk, bool f64)
      : g_(g),
        slots_(g.plan.num_param / g.run_length),
        runs_(FindSlotRuns(g)),
        task_runs_(TaskRuns(g, walk, schedule.units_per_task)),
        fused_(slots_ > 1 && walk != RunWalk::kParts && g.run_length <= kCachedElements),
        alone_(schedule.threads && tasks() == 1 &&
               (walk == RunWalk::kUnits || (walk == RunWalk::kRows && g.plan.size > kFewElements))),
        part_(fused_ ? g.run_length : std::min(g.run_length, Wanted(PartWanted()))) {
    // Of short runs that make up a unit, rows are added up otherwise than parts are.
    const bool rows = g.run_length >= RowBlocks::kBlock && part_ < g.run_length;
    // Sums of all that do not fit in the caches beside the rows take longer than x does, read twice
    // ([36,1200000] 54 ms, 34 by slices; [64,300000] 10.9, 14.3); one task keeps one thread busy.
    const int64_t merged = f64 || tasks() > 1 ? tasks() * (f64 ? 2 : 1) : 0;
    const int64_t bytes = (1 + merged) * g.plan.num_param * 2 * sizeof(double);
    const bool few = schedule.path == Path::kTwoPasses && g.num_runs <= kTaskRuns;
    const bool long_rows = few || alone_ || bytes > static_cast<int64_t>(kKeptScratchBytes);
    // Of other shapes tasks have slots of their own, or their sums are small beside x.
    const bool whole = runs_.step == slots_ && task_runs_ == kTaskRuns * slots_;
    const int64_t unit_runs = g.elements.reduced.size();
    const bool step_of_one = runs_.step == 1 && g.num_runs <= task_runs_;
    if (fused_ && !(runs_.step == 1 && runs_.each % unit_runs == 0)) together_ = unit_runs;
    const int64_t least = schedule.threads ? kTaskElements : 4 * kTaskElements;
    const bool worth = wanted_slices > 0 || (slots_ == 1 ? long_rows : g.plan.num_param > least);
    suit_ = worth && (slots_ == 1 ? rows : (whole || step_of_one) && slots_ % together_ == 0);
    if (part_ == g.run_length)
      together_ *= std::max<int64_t>(1, Wanted(kTogether) / (together_ * g.run_length));
  }

  bool suit() const { return suit_; }
  bool fused() const { return fused_; }
  // Sums of parameters that are those of f32, and no more.
  bool straight() const { return slots_ == 1 && tasks() == 1 && g_.num_runs <= kMostStraight; }
  int64_t tasks() const { return CeilDivide(g_.num_runs, task_runs_); }
  int64_t size() const { return CeilDivide(slots_, together_) * parts(); }
  int64_t first_parameter(int64_t slice) const {
    return slice / parts() * together_ * g_.run_length + slice % parts() * part_;
  }
  int64_t parameters(int64_t slice) const {
    const int64_t slot = slice / parts() * together_, begin = slice % parts() * part_;
    if (part_ < g_.run_length) return std::min(part_, g_.run_length - begin);
    return std::min(together_, slots_ - slot) * g_.run_length;
  }
  // What of a slice belongs to a task.
  RunTask Get(int64_t slice, int64_t task) const {
    const int64_t begin = slice % parts() * part_, end = std::min(begin + part_, g_.run_length);
    const int64_t run = task * task_runs_;
    if (slots_ == 1) return {run, std::min(run + task_runs_, g_.num_runs), begin, end};
    const int64_t first = slice / parts() * together_, last = std::min(first + together_, slots_);
    if (runs_.step == 1) return {first * runs_.each, last * runs_.each, begin, end};
    const int64_t repeats = std::min(task_runs_, g_.num_runs - run) / slots_;
    return {run + first, run + last, begin, end, repeats, slots_};
  }

 private:
  // Elements of a run, and of all slots together: sums of them stay in the cache.
  static constexpr int64_t kPart = 1 << 15, kLeastPart = 1 << 11, kTogether = 1 << 13;
  // Of rows that one thread takes sooner than several threads do, twice.
  static constexpr int64_t kFewElements = 3 * kTaskElements / 2;
  static int64_t Wanted(int64_t chosen) { return wanted_slices > 0 ? wanted_slices : chosen; }
  int64_t parts() const { return CeilDivide(g_.run_length, part_); }
  // Of rows of which a part each goes to all threads some for each, as many elements.
  int64_t PartWanted() const {
    if (!alone_) return kPart;
    const int64_t each = CeilDivide(g_.run_length, 4 * NumThreads());
    return std::clamp(CeilDivide(each, RowBlocks::kBlock) * RowBlocks::kBlock, kLeastPart, kPart);
  }

  const Geometry& g_;
  const int64_t slots_;
  const SlotRuns runs_;
  const int64_t task_runs_;
  const bool fused_;
  const bool alone_;      // all of it is a single task of several threads
  const int64_t part_;    // elements of a run
  int64_t together_ = 1;  // slots
  bool suit_;
};

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
    RunSums(job, kernels, false).Find(threads);
  ToXhat(job);
}

int64_t WantSlicesOf(int64_t parameters) { return std::exchange(wanted_slices, parameters); }
int64_t WantedSlices() { return wanted_slices; }

bool BackwardSlices(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                    Reducer* reducer, const SumsTo& to) {
  constexpr int64_t kAhead = 2048;  // elements
  const Geometry& g = *job.geometry;
  if (!to || g.plan.size == 0) return false;
  if (g.stat_vector && g.param_vector)
    return BackwardStripSlices(job, kernels, schedule, reducer, to);
  if (g.stat_vector) return BackwardUnitSlices(job, kernels, schedule, reducer, to);
  RunWalk walk = WalkOf(job, schedule, reducer);
  const Slices slices(g, schedule, walk, job.f64);
  if (!slices.suit()) return false;
  if (job.means.w) job.means.Clear(g.plan.num_stat);
  if (!slices.fused()) FindMeans(job, kernels, schedule.threads, reducer, walk == RunWalk::kRows);
  if (!slices.fused()) walk = RunWalk::kParts;
  // Processors do not see short runs coming whose next ones are those of other slices ([16,112,112,
  // 96] with parameters of each place: 38 ms, 17 where they are asked for).
  BackwardJob ahead = job;
  if (ahead.ahead == 0 && g.run_length <= kAhead) ahead.ahead = kAhead;
  const bool straight = job.straight && job.dx && slices.straight();
  ParallelFor(slices.size(), schedule.threads, [&](int64_t k) {
    // What was read last for the means may still be in the caches.
    const int64_t i = slices.fused() ? k : slices.size() - 1 - k;
    const int64_t first = slices.first_parameter(i), n = slices.parameters(i);
    WithParameters(ahead, first, [&](const BackwardJob& of_task) {
      if (straight)
        return kernels.backward_runs(of_task, slices.Get(i, 0), walk, {.straight = true});
      OrderedTaskSums sums(job.f64, first, n, slices.tasks());
      for (int64_t task = 0; task < slices.tasks(); ++task)
        kernels.backward_runs(of_task, slices.Get(i, task), walk, sums.Of(task));
      const ParameterSums all = sums.All();
      to(first, n, all.dgamma, all.dbeta);
    });
  });
  return true;
}

void BackwardElements(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                      Reducer* reducer, const ParameterSums& parameters) {
  if (job.geometry->stat_vector)
    return BackwardColumns(job, kernels, schedule, reducer, parameters);
  if (job.means.w) job.means.Clear(job.geometry->plan.num_stat);
  BackwardRuns(job, kernels, schedule, reducer, parameters);
}

}  // namespace normkit::norm::cpu
