// The environment variable NORMKIT_SCHEDULE, which overrides what ChooseSchedule chooses. Like
// every schedule it changes the time, and no bit of the results.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace normkit::norm::cpu {

// What is not set stays as it is chosen.
struct WantedSchedule {
  std::optional<bool> stream;  // stores=streaming | regular
  std::optional<bool> fused;   // path=fused | two-passes, where both have the same bits
  std::optional<int64_t>
      group;                    // group=N: units of rows that are reduced and then written together
  std::optional<bool> threads;  // threads=all | one, however small the work is
};

// "stores=regular,path=fused,group=4,threads=one": any of them, in any order. Throws Error.
WantedSchedule ParseWantedSchedule(std::string_view text);

// Of NORMKIT_SCHEDULE, read once. What cannot be understood is told on stderr and ignored.
const WantedSchedule& GetWantedSchedule();

// For tests: what every later call wants.
void WantSchedule(const WantedSchedule& wanted);

}  // namespace normkit::norm::cpu
