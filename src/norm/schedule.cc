#include "src/norm/schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "normkit/core/threads.h"
#include "src/norm/cpu/cache.h"

namespace normkit {
namespace {

constexpr int64_t kTaskBytes = 256 << 10;  // enough to hide the start of a pipeline

// Why the units cannot be finished one by one; "" where they can.
const char* WhyNotFused(const Geometry& g, int64_t unit_bytes, bool has_reducer, bool one_thread) {
  if (has_reducer) return "statistics of other ranks are waited for";
  const bool together = g.reduce.inner_kept ? g.units_apart && g.units_contiguous : !g.folds;
  if (!together) return "units share statistics";
  if (unit_bytes > FusedLimit()) return "a unit is larger than half of the L2 cache";
  if (!one_thread && g.num_units() < NumThreads()) return "fewer units than threads";
  return "";
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
  // Enough tasks for every thread, and for the last one not to wait long.
  const int64_t tasks = std::max<int64_t>(1, std::min(bytes * reads / kTaskBytes, g.num_units()));
  schedule.units_per_task = (g.num_units() + tasks - 1) / tasks;
  return schedule;
}

std::string ToString(const Schedule& schedule) {
  const char* names[] = {"fused rows", "fused columns", "two passes"};
  return fmt::format("{}, {} stores, {} threads{}{}", names[static_cast<int>(schedule.path)],
                     schedule.stream ? "streaming" : "regular", schedule.threads ? NumThreads() : 1,
                     *schedule.reason ? "; not fused: " : "", schedule.reason);
}

}  // namespace normkit
