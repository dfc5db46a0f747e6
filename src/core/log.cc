#include "src/core/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace normkit {
namespace {

// Registered under its name, so that programs can give it sinks of their own:
// spdlog::get("normkit").
spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("normkit");
    made->set_pattern("normkit: %v");
    made->set_level(LogsDetails() ? spdlog::level::debug : spdlog::level::info);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *logger;
}

}  // namespace

bool LogsDetails() {
  static const bool wanted = [] {
    const char* value = std::getenv("NORMKIT_VERBOSE");
    return value && *value && std::string_view(value) != "0";
  }();
  return wanted;
}

void LogWarning(std::string_view line) { Logger().warn("{}", line); }

void LogDetail(std::string_view line) {
  if (LogsDetails()) Logger().debug("{}", line);
}

}  // namespace normkit
