// What the statistics of a normalization are taken over, in words.
#pragma once

#include <string>

#include "normkit/norm/spec.h"

namespace normkit {

struct StatisticsCount {
  std::string over;    // labels in the order of the axes, each once: "B,S"; "S,C/8" of 8 groups
  std::string per;     // those of the other axes: "C"; "B,G"
  int64_t number = 0;  // of statistics
  int64_t values = 0;  // of x behind each
};

StatisticsCount StatisticsOf(const NormSpec& spec, const Layout& layout);

// "64 statistics over B,S of 6272 values each".
std::string ToString(const StatisticsCount& statistics);

}  // namespace normkit
