#include "src/simd/dependencies.h"

#include <fmt/format.h>
#include <hwy/highway.h>

namespace normkit {

std::vector<Dependency> CpuDependencies() {
  return {
      {"highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH), "Apache-2.0"},
  };
}

}  // namespace normkit
