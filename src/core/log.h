// What normkit has to say beside its results: lines "normkit: ..." on stderr.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace normkit {

// Something the user should know although the work goes on.
void LogWarning(std::string_view line);

// Why something is done the way it is; only where NORMKIT_VERBOSE is set to anything but 0. Ask
// first where making the line costs.
bool LogsDetails();
void LogDetail(std::string_view line);

template <class... Args>
void Warn(fmt::format_string<Args...> format, Args&&... args) {
  LogWarning(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace normkit
