#include "src/norm/schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "normkit/core/threads.h"
#include "src/norm/cpu/cache.h"
#include "src/norm/job.h"

namespace normkit {
namespace {

constexpr int64_t kTaskBytes = 256 << 10;  // enough to hide the start of a pipeline

// Why the units cannot be finished one by one; "" where they can.
const char* WhyNotFused(const Geometry& g, int64_t unit_bytes, bool has_reducer, bool one_thread) {
  if (has_reducer) return "statistics of other ranks are waited for";
  const bool together = g.reduce.inner_kept ? g.units_apart && g.units_contiguous : !g.folds;
  if (!together) return "units share statistics";
  if (unit_bytes > FusedLimit(one_thread ? 1 : NumThreads()))
    return "a unit is larger than a thread's share of the caches";
  if (!one_thread && g.num_units() < NumThreads()) return "fewer units than threads";
  return "";
}

// Units that are reduced and then written together, for three reasons: what small units wait for
// (the end of a sum, a square root) overlaps; runs of neighbouring units that are too short to be
// stored past the caches one by one go out as whole cache lines; parameters are loaded once for
// some.
int64_t UnitsInGroup(const Geometry& g, const Schedule& schedule, int64_t element_bytes,
                     int64_t unit_bytes) {
  constexpr int64_t kLine = 64, kShort = 2048, kMost = kMaxGroup;
  int64_t wanted = schedule.tiled_runs;
  // From memory the next unit is on its way while this one is written; a group would be in its way
  // ([8192,768] with 2 threads: 62 GB/s one by one, 36 in groups of 5).
  if (!schedule.stream)
    wanted = std::max(wanted, Caches().l1 / 2 / std::max<int64_t>(1, unit_bytes));
  const int64_t run_bytes = g.statistics.inner * element_bytes;
  if (schedule.stream && run_bytes < kShort) {
    wanted = kShort / run_bytes + 1;
    while (wanted < kMost && wanted * run_bytes % kLine != 0) ++wanted;
  }
  const int64_t fit = NearLimit() / std::max<int64_t>(1, unit_bytes);
  return std::clamp<int64_t>(wanted, 1, std::clamp<int64_t>(fit, 1, kMost));
}

// Runs whose parameters do not fit into the L1 cache beside them: some runs share what is loaded.
int64_t TiledRuns(const Geometry& g, int64_t element_bytes) {
  if (g.cell_form || !g.param_vector || g.stat_vector) return 1;
  const int64_t parameter_bytes = 2 * std::max<int64_t>(4, element_bytes);
  return g.run_length * (element_bytes + parameter_bytes) > Caches().l1 ? kMaxTiledRuns : 1;
}

}  // namespace

Schedule ChooseSchedule(const Geometry& g, int64_t element_bytes, int64_t reads, bool has_reducer) {
  Schedule schedule;
  const int64_t bytes = g.plan.size * element_bytes;
  const int64_t unit_bytes = bytes / std::max<int64_t>(1, g.num_units()) * reads;
  schedule.threads = NumThreads() > 1 && bytes * (reads + 1) >= kThreadLimit;
  schedule.stream = bytes >= StreamLimit(NumThreads());
  schedule.reason = WhyNotFused(g, unit_bytes, has_reducer, !schedule.threads);
  if (*schedule.reason == 0)
    schedule.path = g.reduce.inner_kept ? Path::kFusedColumns : Path::kFusedRows;
  if (!g.reduce.inner_kept && g.plan.size > 0) {
    schedule.tiled_runs = TiledRuns(g, element_bytes);
    schedule.group = UnitsInGroup(g, schedule, element_bytes, unit_bytes);
    // Processors do not see the next of many strided segments coming.
    const bool strided = g.statistics.reduced.size() > 1;
    if (strided && schedule.path == Path::kFusedRows && schedule.group * unit_bytes <= NearLimit())
      schedule.ahead = schedule.group * g.statistics.inner;
  }
  if (schedule.path == Path::kTwoPasses)
    schedule.ahead = FetchDistance(schedule.stream, element_bytes);
  // Enough tasks for every thread, and for the last one not to wait long; whole groups each.
  const int64_t tasks = std::max<int64_t>(1, std::min(bytes * reads / kTaskBytes, g.num_units()));
  const int64_t groups = (g.num_units() + schedule.group - 1) / schedule.group;
  schedule.units_per_task = (groups + tasks - 1) / tasks * schedule.group;
  return schedule;
}

int64_t FetchDistance(bool stream, int64_t element_bytes) {
  constexpr int64_t kBytes = 2048;
  return stream ? kBytes / element_bytes : 0;
}

std::string ToString(const Schedule& schedule) {
  const char* names[] = {"fused rows", "fused columns", "two passes"};
  return fmt::format("{}, {} stores, {} threads{}{}", names[static_cast<int>(schedule.path)],
                     schedule.stream ? "streaming" : "regular", schedule.threads ? NumThreads() : 1,
                     *schedule.reason ? "; not fused: " : "", schedule.reason);
}

}  // namespace normkit
