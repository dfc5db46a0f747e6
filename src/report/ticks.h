// Where an axis has its marks, and what stands beside them.
#pragma once

#include <string>
#include <vector>

namespace normkit {

struct Ticks {
  double low = 0, high = 1;  // the range of the axis, low < high
  std::vector<double> values;
  std::vector<std::string> labels;  // one a value
};

// About `count` marks 1, 2 or 5 times a power of ten apart. `extend`: the range grows to the marks
// around [low, high], otherwise it stays and the marks lie inside. `whole`: marks at integers only.
Ticks LinearTicks(double low, double high, int count, bool extend, bool whole);

// Marks at 1, 2 and 5 times powers of ten, or at powers of ten where that would be many.
// Requires 0 < low.
Ticks LogTicks(double low, double high, int count);

}  // namespace normkit
