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
  };
}

}  // namespace normkit
