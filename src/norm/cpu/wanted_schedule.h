// The environment variable NORMKIT_SCHEDULE, which overrides what ChooseSchedule chooses. Like
// every schedule it changes the time, and no bit of the results.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "src/simd/cache.h"

namespace normkit::norm::cpu {

// What is not set stays as it is chosen.
struct WantedSchedule {
  std::optional<bool> stream;  // stores=streaming | regular
  std::optional<bool> fused;   // path=fused | two-passes, where both have the same bits
  std::optional<int64_t>
      group;                    // group=N: units of rows that are reduced and then written together
  std::optional<bool> threads;  // threads=all | one, however small the work is
  // The limits of the rules, in bytes; `normkit bench --calibrate` prints those of a machine.
  std::optional<int64_t> stores_from;   // of y a thread: stores past the caches
  std::optional<int64_t> fused_to;      // of a unit that is reduced and then written
  std::optional<int64_t> threads_from;  // of what crosses memory: more than one thread
  std::optional<int64_t> group_to;      // of rows from memory that are a group; 0: one by one
  std::optional<int64_t> ahead;         // that passes over memory ask for in advance
  std::optional<int64_t> rows_ahead;    // that large rows from memory do
};

// Of `ahead` and of `rows_ahead` where none is wanted.
inline int64_t AheadOfPasses() { return simd::HasLargeL1() ? 0 : 1536; }
inline int64_t AheadOfRows() { return simd::HasLargeL1() ? 16 << 10 : 0; }

// "stores=regular,path=fused,group=4,threads=one": any of them, in any order. Throws Error.
WantedSchedule ParseWantedSchedule(std::string_view text);

// Of NORMKIT_SCHEDULE, read once. What cannot be understood is told on stderr and ignored.
const WantedSchedule& GetWantedSchedule();

// For tests: what every later call wants.
void WantSchedule(const WantedSchedule& wanted);
// How often that was said.
int TimesScheduleWanted();

}  // namespace normkit::norm::cpu
