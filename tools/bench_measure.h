// How a cell is measured.
#pragma once

#include <string>
#include <vector>

#include "tools/bench_cells.h"

namespace normkit::tools {

struct BenchResult {
  BenchCell cell;
  int threads = 0;
  std::string plan, kernel;  // as Normalization::Describe() has them
  double ms = 0;             // median
  double gbps = 0;           // cell.bytes() / ms
  double limit_gbps = 0;     // the streaming bandwidth: the larger of before and after
  double fraction() const { return gbps / limit_gbps; }
};

// Median time of a call, in milliseconds, over at least `seconds` of calls with the current number
// of threads. All memory is touched first. Cold cells rotate over arrays of 1 GB in all, so that no
// call finds its arrays in a cache.
double MeasureMilliseconds(const BenchCell& cell, double seconds);

// The same of each, in turns: what is compared is not to have the machine's moods between it.
std::vector<double> MeasureInTurns(const std::vector<BenchCell>& cells, double seconds);

// "plan RKR" and "kernel ..." out of a description; empty where it has none.
std::string PartOfDescription(const std::string& description, const std::string& part);

}  // namespace normkit::tools
