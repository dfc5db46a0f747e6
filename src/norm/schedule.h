// Which path a call takes, and why; decided from the shape and the machine, never changing a bit of
// the result.
#pragma once

#include <string>

#include "src/norm/geometry.h"

namespace normkit {

enum class Path {
  kFusedRows,     // units of contiguous runs: reduced and applied in the cache, pipelined
  kFusedColumns,  // units of columns: reduced and applied in the cache
  kTwoPasses,     // everything reduced, then everything applied
};

struct Schedule {
  Path path = Path::kTwoPasses;
  const char* reason = "";  // why not a faster path; "" for the fastest
  bool stream = false;
  bool threads = false;
  int64_t units_per_task = 1;
  int64_t group = 1;       // units of rows that are reduced and then written together
  int64_t tiled_runs = 1;  // runs that are written in turns
  int64_t ahead = 0;       // elements from what is written to what is fetched meanwhile
};

// `arrays`: how many arrays of the size of x a pass reads and writes; `reads`: how many of them are
// read and have to stay in the cache.
Schedule ChooseSchedule(const Geometry& geometry, int64_t element_bytes, int64_t reads,
                        bool has_reducer);

// How many elements ahead a pass over memory fetches that only reads and writes: processors alone
// reach 31 of 50 GB/s with one thread.
int64_t FetchDistance(bool stream, int64_t element_bytes);

std::string ToString(const Schedule& schedule);

}  // namespace normkit
