#include "src/norm/cpu/wanted_schedule.h"

#include <fmt/ranges.h>

#include <cstdlib>
#include <iterator>
#include <string>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/norm/cpu/job.h"

namespace normkit::norm::cpu {
namespace {

bool OneOf(std::string_view key, std::string_view value, const std::string& yes,
           const std::string& no) {
  if (value == yes) return true;
  if (value == no) return false;
  Fail("{} is '{}', expected {} or {}{}", key, value, yes, no, DidYouMean(value, {yes, no}));
}

int64_t Group(std::string_view value) {
  const std::optional<int64_t> group = ParseNumber<int64_t>(value);
  if (!group || *group < 1 || *group > kMaxGroup)
    Fail("group is '{}', expected a number from 1 to {}", value, kMaxGroup);
  return *group;
}

constexpr std::string_view kKeys[] = {"stores",      "path",      "group",        "threads",
                                      "stores-from", "fused-to",  "threads-from", "group-to",
                                      "ahead",       "rows-ahead"};

int64_t Bytes(std::string_view key, std::string_view value) {
  constexpr int64_t kMost = int64_t{1} << 40;
  const std::optional<int64_t> bytes = ParseNumber<int64_t>(value);
  if (!bytes || *bytes < 0 || *bytes > kMost)
    Fail("{} is '{}', expected a number of bytes from 0 to {}", key, value, kMost);
  return *bytes;
}

void ParseOne(std::string_view item, WantedSchedule& wanted) {
  const size_t equals = item.find('=');
  const std::string_view key = item.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : item.substr(equals + 1);
  if (key == "stores")
    wanted.stream = OneOf(key, value, "streaming", "regular");
  else if (key == "path")
    wanted.fused = OneOf(key, value, "fused", "two-passes");
  else if (key == "group")
    wanted.group = Group(value);
  else if (key == "threads")
    wanted.threads = OneOf(key, value, "all", "one");
  else if (key == "stores-from")
    wanted.stores_from = Bytes(key, value);
  else if (key == "fused-to")
    wanted.fused_to = Bytes(key, value);
  else if (key == "threads-from")
    wanted.threads_from = Bytes(key, value);
  else if (key == "group-to")
    wanted.group_to = Bytes(key, value);
  else if (key == "ahead")
    wanted.ahead = Bytes(key, value);
  else if (key == "rows-ahead")
    wanted.rows_ahead = Bytes(key, value);
  else
    Fail("'{}' is unknown, expected one of {}{}", key, fmt::join(kKeys, ", "),
         DidYouMean(key, {std::begin(kKeys), std::end(kKeys)}));
}

WantedSchedule FromEnvironment() {
  const char* text = std::getenv("NORMKIT_SCHEDULE");
  if (!text || !*text) return {};
  try {
    return ParseWantedSchedule(text);
  } catch (const Error& error) {
    Warn("NORMKIT_SCHEDULE='{}': {}; ignored", text, error.what());
    return {};
  }
}

int times_wanted = 0;

WantedSchedule& Wanted() {
  static WantedSchedule wanted = FromEnvironment();
  return wanted;
}

}  // namespace

WantedSchedule ParseWantedSchedule(std::string_view text) {
  WantedSchedule wanted;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    ParseOne(text.substr(begin, end - begin), wanted);
    begin = end + 1;
  }
  return wanted;
}

const WantedSchedule& GetWantedSchedule() { return Wanted(); }

void WantSchedule(const WantedSchedule& wanted) {
  Wanted() = wanted;
  ++times_wanted;
}

int TimesScheduleWanted() { return times_wanted; }

}  // namespace normkit::norm::cpu
