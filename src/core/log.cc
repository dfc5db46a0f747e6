#include "src/core/log.h"

#include <cstdlib>

#include "src/core/log_lines.h"
#include "src/core/text.h"

namespace normkit {

bool LogsDetails() {
  static const bool wanted = [] {
    const char* value = std::getenv("NORMKIT_VERBOSE");
    return value && *value && std::string_view(value) != "0";
  }();
  return wanted;
}

void LogWarning(std::string_view line) { WriteLogLine(OneLine(line), false); }

void LogDetail(std::string_view line) {
  if (LogsDetails()) WriteLogLine(OneLine(line), true);
}

}  // namespace normkit
