// normkit bench --calibrate: which limits of the rules for stores, groups and look-ahead this
// machine prefers. No bit of any result depends on them.
#pragma once

#include <string>
#include <vector>

namespace normkit::tools {

// What one rule says and what was found, in bytes; `gain` is how much less time
// what was found takes over the sizes tried.
struct Calibrated {
  std::string rule;  // of NORMKIT_SCHEDULE
  int64_t built_in = 0, found = 0;
  double gain = 0;
};

// With the current number of threads; each time is measured over at least `seconds` of calls.
std::vector<Calibrated> Calibrate(double seconds);

// Of those that gain kWorthIt or more, for NORMKIT_SCHEDULE: "stores-from=2097152,ahead=3072"; ""
// where there is none.
inline constexpr double kWorthIt = 0.03;
std::string ScheduleOf(const std::vector<Calibrated>& calibrated);

}  // namespace normkit::tools
