#include "src/core/dependency.h"

#include <fmt/format.h>

namespace normkit {

std::vector<Dependency> CoreDependencies() {
  return {
      {"fmt",
       fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100),
       "MIT"},
      {"libgomp", __VERSION__, "GPL-3.0-or-later WITH GCC-exception-3.1"},
  };
}

}  // namespace normkit
