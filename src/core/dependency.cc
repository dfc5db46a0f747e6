#include "src/core/dependency.h"

#include <fmt/format.h>
#include <spdlog/version.h>

namespace normkit {

std::vector<Dependency> CoreDependencies() {
  return {
      {"fmt",
       fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100),
       "MIT"},
      {"spdlog", fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH),
       "MIT"},
      {"libgomp", __VERSION__, "GPL-3.0-or-later WITH GCC-exception-3.1"},
  };
}

}  // namespace normkit
