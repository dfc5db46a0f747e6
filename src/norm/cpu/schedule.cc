#include "src/norm/cpu/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "normkit/core/threads.h"
#include "src/core/ceil_divide.h"
#include "src/norm/cpu/column_parts.h"
#include "src/norm/cpu/kernels/column_cut.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/cache.h"

namespace normkit::norm::cpu {
namespace {

constexpr int64_t kTaskBytes = 256 << 10;  // enough to hide the start of a pipeline

constexpr char kOtherRanks[] = "statistics of other ranks are waited for";
constexpr int64_t kReadAhead = 8192;
constexpr int64_t kLargeRow = 4096;     // bytes of a longer row
constexpr int64_t kLargeRow16 = 8192;   // the same of 16 bits: shorter ones have their own ways
constexpr int64_t kBeyond = 1024;       // bytes of the unit behind the next
constexpr int64_t kPassAhead = 4096;    // bytes, where Zen 5 does not follow a pass reliably
constexpr int64_t kShortRun = 2048;     // bytes
constexpr int64_t kShortRows = 6144;    // bytes of short runs that are reduced and written together
constexpr int64_t kShortAhead = 10240;  // bytes from those to what is fetched meanwhile
constexpr int64_t kLine = 64;           // bytes that come from memory at a time
constexpr char kManyCells[] = "very many cells are taken some at a time";
constexpr char kShortRuns[] = "short runs are taken with their neighbours";
constexpr char kScattered[] = "the cache lines of a unit's short runs do not fit in the cache";
constexpr char kLargeUnit[] = "a unit is larger than a thread's share of the caches";

// Of the widest strip of columns.
int64_t StripElements(const Geometry& g) {
  const ColumnCut cut = ColumnCut::ForStrips(g.elements);
  return cut.rows() * cut.strip_columns();
}

// Why the units are not finished one by one; "" where they are.
const char* WhyNotFused(const Geometry& g, int64_t unit_bytes, bool backward, bool has_reducer,
                        bool one_thread) {
  const std::optional<bool> fused = GetWantedSchedule().fused;
  if (has_reducer) return kOtherRanks;
  const bool together = g.reduce.inner_kept ? g.units_apart && g.units_contiguous : !g.folds;
  if (!together) return "units share statistics";
  if (g.num_units() == 1 && WorthColumnParts(g, backward, !one_thread)) return kManyCells;
  if (fused) return *fused ? "" : "NORMKIT_SCHEDULE";
  if (!g.reduce.inner_kept && RowBlocks(g.reduce).packed()) {
    if (backward) return kShortRuns;
    if (g.reduce.reduced.size() * kLine > simd::NearLimit()) return kScattered;
  }
  const int64_t limit = simd::FusedLimit(one_thread ? 1 : NumThreads());
  if (unit_bytes > GetWantedSchedule().fused_to.value_or(limit)) return kLargeUnit;
  if (!one_thread && g.num_units() < NumThreads()) return "fewer units than threads";
  return "";
}

// Short units, one behind the other, that are reduced and then written from memory.
bool AreShortRows(const Geometry& g, int64_t element_bytes, NormPass pass, bool stream) {
  return stream && pass == NormPass::kForward && g.units_contiguous && !g.reduce.inner_kept &&
         g.statistics.reduced.size() == 1 && g.statistics.inner * element_bytes < kShortRun;
}

// Units that are reduced and then written together, for three reasons: what small units wait for
// (the end of a sum, a square root) overlaps; runs of neighbouring units that are too short to be
// stored past the caches one by one go out as whole cache lines; parameters are loaded once for
// some.
int64_t UnitsInGroup(const Geometry& g, const Schedule& schedule, int64_t element_bytes,
                     int64_t unit_bytes, NormPass pass) {
  if (GetWantedSchedule().group) return *GetWantedSchedule().group;
  constexpr int64_t kMost = kMaxGroup;
  const int64_t run_bytes = g.statistics.inner * element_bytes;
  // Where the L1 cache is large, rows from memory gain nothing by sharing parameters: those come
  // from L1 or L2 while memory gives x ([4096,4096] of f32 one by one: .91 of the time, rows of
  // 6,144 and more the same).
  const bool from_memory = schedule.stream && pass == NormPass::kForward && simd::HasLargeL1();
  int64_t wanted = from_memory ? 1 : schedule.tiled_runs;
  // Those behind are asked for meanwhile (read_ahead), and what is done once a group pays; but
  // stores of more would come all at once. Rows of 16 bits are bound by the core.
  if (!GetWantedSchedule().group_to && AreShortRows(g, element_bytes, pass, schedule.stream))
    wanted = element_bytes == 2 ? kMost : std::clamp<int64_t>(kShortRows / run_bytes, 4, kMost);
  // From memory the next unit is on its way while this one is written; a group would be in its way
  // ([8192,768] with 2 threads: 62 GB/s one by one, 36 in groups of 5, on Zen 4; on Zen 5 a quarter
  // faster in groups of 16, as `normkit bench --calibrate` finds).
  const int64_t together =
      schedule.stream ? GetWantedSchedule().group_to.value_or(0) : simd::Caches().l1 / 2;
  wanted = std::max(wanted, together / std::max<int64_t>(1, unit_bytes));
  if (schedule.stream && run_bytes < kShortRun) {
    wanted = std::max(wanted, kShortRun / run_bytes + 1);
    while (wanted < kMost && wanted * run_bytes % kLine != 0) ++wanted;
  }
  const int64_t fit = simd::NearLimit() / std::max<int64_t>(1, unit_bytes);
  return std::clamp<int64_t>(wanted, 1, std::clamp<int64_t>(fit, 1, kMost));
}

// Runs whose parameters do not fit into the L1 cache beside them, or fill it: some runs share what
// is loaded.
int64_t TiledRuns(const Geometry& g, int64_t element_bytes) {
  if (g.cell_form || !g.param_vector || g.stat_vector) return 1;
  const int64_t parameter_bytes = 2 * std::max<int64_t>(4, element_bytes);
  return g.run_length * (element_bytes + parameter_bytes) >= simd::Caches().l1 ? kMaxTiledRuns : 1;
}

// Units that BackwardRuns of backward_elements.cc makes a task of rows; 0 where it does not suit.
int64_t ElementRowsPerTask(const Geometry& g) {
  constexpr int64_t kMostTasks = 16;  // whose sums of the parameters are merged
  const bool rows = g.statistics.reduced.size() == 1 && g.plan.num_param == g.run_length;
  if (!rows || g.plan.size == 0) return 0;
  const int64_t runs = g.statistics.inner / g.run_length, units = g.num_units();
  const int64_t per_task = std::max(CeilDivide(units, kMostTasks), CeilDivide(kTaskRuns, runs));
  // A few large units are cut in parts instead.
  return per_task >= units && g.plan.num_reduced > kCachedElements ? 0 : per_task;
}

// The backward pass in element form. Its tasks merge sums of the parameters, so that all of this
// depends on the shape alone.
void ChooseElementPath(const Geometry& g, bool has_reducer, Schedule& schedule) {
  constexpr int64_t kManyUnits = 16;  // for any number of threads
  schedule.path = Path::kTwoPasses;
  schedule.reason = has_reducer ? kOtherRanks : kLargeUnit;
  if (has_reducer) return;
  if (g.stat_vector) {
    if (StripElements(g) <= kCachedElements) schedule.path = Path::kFusedColumns;
  } else if (const int64_t units = ElementRowsPerTask(g)) {
    schedule.path = Path::kFusedRows;
    schedule.units_per_task = units;
  } else if (g.num_units() >= kManyUnits || g.plan.num_reduced <= kCachedElements) {
    schedule.path = Path::kFusedRuns;
  }
  if (schedule.path != Path::kTwoPasses) schedule.reason = "";
}

// Whether columns are batch normalization's channels of few rows: what belongs to a channel is as
// much as its elements, so that some channels are finished at a time, over threads.
bool AreStrips(const Geometry& g) {
  return g.cell_form && g.reduce.inner_kept && g.plan.size > 0 && g.num_units() == 1 &&
         g.CellsAreChannels() && g.reduce.reduced.size() <= kShiftRows;
}

// Tasks enough for every thread, and for the last one not to wait long; whole groups each.
void CutUnits(int64_t units, int64_t read_bytes, Schedule& schedule) {
  const int64_t least = schedule.threads || schedule.shared_when_awake ? NumThreads() : 1;
  const int64_t tasks =
      std::max<int64_t>(1, std::min(std::max(read_bytes / kTaskBytes, least), units));
  const int64_t groups = CeilDivide(units, schedule.group);
  schedule.units_per_task = CeilDivide(groups, tasks) * schedule.group;
}

void ChooseThreads(int64_t traffic, Schedule& schedule) {
  if (NumThreads() == 1) return;
  const std::optional<bool> wanted = GetWantedSchedule().threads;
  const int64_t limit = GetWantedSchedule().threads_from.value_or(simd::kThreadLimit);
  schedule.shared_when_awake = !wanted && traffic >= simd::kAwakeLimit && traffic < limit;
  schedule.threads = wanted.value_or(traffic >= limit);
}

bool IsStrided(const Geometry& g) { return g.statistics.reduced.size() > 1; }

// Elements that contiguous units from memory are asked for in advance all the way, of such as are
// large; 0: the next one is asked for while one is written, if it is small enough.
int64_t RowsAhead(const Geometry& g, const Schedule& schedule, int64_t element_bytes,
                  int64_t unit_bytes) {
  const bool large = schedule.path == Path::kFusedRows && schedule.stream && !IsStrided(g) &&
                     unit_bytes > (element_bytes == 2 ? kLargeRow16 : kLargeRow) &&
                     unit_bytes <= simd::NearLimit();
  return large ? GetWantedSchedule().rows_ahead.value_or(AheadOfRows()) / element_bytes : 0;
}

// Passes over memory that only read and write reach 31 of 50 GB/s with one thread. Processors with
// a large L1 cache follow them unasked, but for two: one pass over rows (inference of maps) only
// where the loop's code happens to lie well, and 16 bits channels last never as fast as when asked.
int64_t PassesAhead(const Geometry& g, Path path, int64_t element_bytes) {
  const bool asks = g.reduce.inner_kept ? element_bytes == 2 : path == Path::kOnePass;
  return asks && simd::HasLargeL1() ? kPassAhead : AheadOfPasses();
}

// Processors do not see the next of many strided segments coming; of units one behind the other
// that are small how much they see hangs on where those begin, and large ones come by themselves.
int64_t ElementsAhead(const Geometry& g, const Schedule& schedule, int64_t element_bytes,
                      int64_t unit_bytes) {
  if (schedule.path == Path::kFusedRows) {
    const int64_t bytes = schedule.group * unit_bytes, next = schedule.group * g.statistics.inner;
    if (IsStrided(g)) return bytes <= simd::NearLimit() ? next : 0;
    const bool small = schedule.stream && bytes <= simd::Caches().l1 / 2;
    return small ? next + kBeyond / element_bytes : 0;
  }
  const bool passes = schedule.path == Path::kTwoPasses || schedule.path == Path::kOnePass;
  if (!passes || !schedule.stream) return 0;
  const int64_t usual = PassesAhead(g, schedule.path, element_bytes);
  return GetWantedSchedule().ahead.value_or(usual) / element_bytes;
}

}  // namespace

Schedule ChooseSchedule(const Geometry& g, int64_t element_bytes, int64_t whole_bytes,
                        NormPass pass, bool has_reducer) {
  Schedule schedule;
  // Arrays that are read and have to stay in the cache.
  const int64_t reads = pass == NormPass::kBackward ? 2 : 1;
  const int64_t bytes = g.plan.size * element_bytes;
  const int64_t unit_bytes = bytes / std::max<int64_t>(1, g.num_units()) * reads;
  ChooseThreads(bytes * (reads + 1), schedule);
  const int64_t threads = schedule.threads ? NumThreads() : 1;
  schedule.far = std::max(bytes, whole_bytes) * (reads + 1) >= simd::NearLimit() * threads;
  const std::optional<int64_t> wanted = GetWantedSchedule().stores_from;
  const int64_t stream_limit = wanted ? *wanted * NumThreads() : simd::StreamLimit(NumThreads());
  schedule.stream =
      GetWantedSchedule().stream.value_or(std::max(bytes, whole_bytes) >= stream_limit);
  if (!g.reduce.inner_kept && g.plan.size > 0) {
    schedule.tiled_runs = TiledRuns(g, element_bytes);
    schedule.group = UnitsInGroup(g, schedule, element_bytes, unit_bytes, pass);
  }
  CutUnits(g.num_units(), bytes * reads, schedule);
  if (pass == NormPass::kInference) {
    schedule.path = Path::kOnePass;
  } else if (AreStrips(g) && !has_reducer && GetWantedSchedule().fused.value_or(true)) {
    schedule.path = Path::kFusedStrips;
    CutUnits(ColumnCut::ForStrips(g.reduce).strips(), bytes * reads, schedule);
  } else if (pass == NormPass::kBackward && !g.cell_form) {
    ChooseElementPath(g, has_reducer, schedule);
  } else {
    schedule.reason =
        WhyNotFused(g, unit_bytes, pass == NormPass::kBackward, has_reducer, !schedule.threads);
    if (*schedule.reason == 0)
      schedule.path = g.reduce.inner_kept ? Path::kFusedColumns : Path::kFusedRows;
  }
  schedule.from_end = schedule.path == Path::kTwoPasses;
  schedule.ahead = ElementsAhead(g, schedule, element_bytes, unit_bytes);
  const int64_t rows_ahead = RowsAhead(g, schedule, element_bytes, unit_bytes);
  if (pass == NormPass::kForward && rows_ahead > 0)
    schedule.ahead = schedule.read_ahead = rows_ahead;
  // What is on its way since the last unit was written still gains from being asked for again, a
  // little ahead; a small contiguous unit loses a quarter by it.
  if (schedule.path == Path::kFusedRows && IsStrided(g) && schedule.ahead > 0 && schedule.stream)
    schedule.read_ahead = kReadAhead / element_bytes;
  if (schedule.path == Path::kFusedRows && AreShortRows(g, element_bytes, pass, schedule.stream))
    schedule.read_ahead = std::max(element_bytes == 2 ? 0 : kShortAhead / element_bytes,
                                   schedule.group * g.statistics.inner);
  return schedule;
}

Schedule Schedules::Get(NormPass pass, int64_t whole_bytes) const {
  Kept& kept = kept_[static_cast<size_t>(pass)];
  const int threads = NumThreads(), times_wanted = TimesScheduleWanted();
  if (kept.state.load(std::memory_order_acquire) == kThere && kept.threads == threads &&
      kept.times_wanted == times_wanted)
    return kept.schedule;
  const Schedule chosen =
      ChooseSchedule(geometry_, element_bytes_, whole_bytes, pass, has_reducer_);
  int none = kNone;
  if (kept.state.compare_exchange_strong(none, kBeingWritten, std::memory_order_relaxed)) {
    kept.threads = threads, kept.times_wanted = times_wanted, kept.schedule = chosen;
    kept.state.store(kThere, std::memory_order_release);
  }
  return chosen;
}

std::string ToString(const Schedule& schedule) {
  const char* names[] = {"fused rows", "fused columns", "fused strips",
                         "fused runs", "two passes",    "one pass"};
  std::string text = names[static_cast<int>(schedule.path)];
  if (schedule.path == Path::kFusedRows && schedule.group > 1)
    text += fmt::format(", groups of {} units", schedule.group);
  if (schedule.tiled_runs > 1) text += fmt::format(", tiles of {} runs", schedule.tiled_runs);
  const int threads = schedule.threads ? NumThreads() : 1;
  text += fmt::format(", {} stores, {} thread{}", schedule.stream ? "streaming" : "regular",
                      threads, threads > 1 ? "s" : "");
  if (threads == 1 && schedule.shared_when_awake)
    text += fmt::format(" ({} in quick succession)", NumThreads());
  if (*schedule.reason) text += fmt::format("; not fused: {}", schedule.reason);
  return text;
}

}  // namespace normkit::norm::cpu
