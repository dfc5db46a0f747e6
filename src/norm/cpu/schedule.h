// Which path a call takes, and why; decided from the shape and the machine, never changing a bit of
// the result.
#pragma once

#include <array>
#include <atomic>
#include <string>

#include "normkit/norm/normalization.h"
#include "src/norm/cpu/job.h"

namespace normkit::norm::cpu {

// Of the backward pass in element form: elements of a unit or strip that is read twice from a
// cache, and runs of each parameter that a task has at least, so that merging their sums is cheap.
inline constexpr int64_t kCachedElements = 1 << 18;
inline constexpr int64_t kTaskRuns = 32;

enum class Path {
  kFusedRows,     // units of contiguous runs: reduced and applied in the cache
  kFusedColumns,  // units of columns: the same
  kFusedStrips,   // few rows of many columns, each a channel: the same, some columns at a time
  kFusedRuns,     // units of any other runs (backward in element form): the same
  kTwoPasses,     // everything reduced, then everything applied
  kOnePass,       // applied: the statistics are given
};

struct Schedule : Walk {
  Path path = Path::kTwoPasses;
  const char* reason = "";  // why not a faster path; "" for the fastest
  bool threads = false;
  bool shared_when_awake = false;  // too little to wake threads for, enough for those awake
  int64_t units_per_task = 1;      // or strips
};

// whole_bytes: of the array that this is a part of; 0: of none.
Schedule ChooseSchedule(const Geometry& geometry, int64_t element_bytes, int64_t whole_bytes,
                        NormPass pass, bool has_reducer);

// The schedules of a problem, each chosen once: to choose takes a tenth of the time of a row of 64.
class Schedules {
 public:
  Schedules(const Geometry& geometry, int64_t element_bytes, bool has_reducer)
      : geometry_(geometry), element_bytes_(element_bytes), has_reducer_(has_reducer) {}

  // Of an array that is a part of one of `whole_bytes`, always the same.
  Schedule Get(NormPass pass, int64_t whole_bytes) const;

 private:
  // What the first call chose, which never changes: of other numbers of threads, and while it is
  // being written, it is chosen anew.
  struct Kept {
    std::atomic<int> state{kNone};
    int threads = 0, times_wanted = 0;
    Schedule schedule;
  };
  enum { kNone, kBeingWritten, kThere };
  static constexpr size_t kPasses = static_cast<size_t>(NormPass::kBackward) + 1;

  const Geometry& geometry_;
  const int64_t element_bytes_;
  const bool has_reducer_;
  mutable std::array<Kept, kPasses> kept_;
};

// "fused rows, groups of 4 units, streaming stores, 2 threads".
std::string ToString(const Schedule& schedule);

}  // namespace normkit::norm::cpu
