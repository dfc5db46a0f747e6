// Which path a call takes, and why; decided from the shape and the machine, never changing a bit of
// the result.
#pragma once

#include <string>

#include "normkit/norm/normalization.h"
#include "src/norm/cpu/geometry.h"

namespace normkit {

// Of the backward pass in element form: elements of a unit or piece that is read twice from a
// cache, and runs of each parameter that a task has at least, so that merging their sums is cheap.
inline constexpr int64_t kCachedElements = 1 << 18;
inline constexpr int64_t kSpanRuns = 32;

enum class Path {
  kFusedRows,     // units of contiguous runs: reduced and applied in the cache
  kFusedColumns,  // units of columns: the same
  kFusedRuns,     // units of any other runs (backward in element form): the same
  kTwoPasses,     // everything reduced, then everything applied
  kOnePass,       // applied: the statistics are given
};

struct Schedule {
  Path path = Path::kTwoPasses;
  const char* reason = "";  // why not a faster path; "" for the fastest
  bool stream = false;
  bool threads = false;
  bool shared_when_awake = false;  // too little to wake threads for, enough for those awake
  int64_t units_per_task = 1;
  int64_t group = 1;       // units of rows that are reduced and then written together
  int64_t tiled_runs = 1;  // runs that are written in turns
  int64_t ahead = 0;       // elements from what is written to what is fetched meanwhile
  int64_t read_ahead = 0;  // the same from what is reduced
};

Schedule ChooseSchedule(const Geometry& geometry, int64_t element_bytes, NormPass pass,
                        bool has_reducer);

// "fused rows, groups of 4 units, streaming stores, 2 threads".
std::string ToString(const Schedule& schedule);

}  // namespace normkit
