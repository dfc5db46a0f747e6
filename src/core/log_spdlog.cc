#include "src/core/log.h"

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "src/core/log_capture.h"
#include "src/core/log_lines.h"

namespace normkit {
namespace {

constexpr char kPattern[] = "normkit: %v";

// Registered under its name, so that programs can give it sinks of their own:
// spdlog::get("normkit").
spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("normkit");
    made->set_pattern(kPattern);
    made->set_level(LogsDetails() ? spdlog::level::debug : spdlog::level::info);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *logger;
}

}  // namespace

void WriteLogLine(std::string_view line, bool detail) {
  Logger().log(detail ? spdlog::level::debug : spdlog::level::warn, "{}", line);
}

struct LogCapture::Sinks {
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> kept =
      std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
  std::vector<spdlog::sink_ptr> before;
};

LogCapture::LogCapture() : sinks_(std::make_unique<Sinks>()) {
  sinks_->kept->set_pattern(kPattern);
  sinks_->before = std::exchange(Logger().sinks(), {sinks_->kept});
}

LogCapture::~LogCapture() { Logger().sinks() = sinks_->before; }

std::vector<std::string> LogCapture::lines() const { return sinks_->kept->last_formatted(); }

}  // namespace normkit
