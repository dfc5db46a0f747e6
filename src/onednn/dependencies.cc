#include "src/onednn/dependencies.h"

#include <dnnl.h>
#include <fmt/format.h>

namespace normkit {

std::vector<Dependency> OnednnDependencies() {
  const dnnl_version_t* linked = dnnl_version();
  return {
      {"oneDNN", fmt::format("{}.{}.{}", linked->major, linked->minor, linked->patch),
       "Apache-2.0"},
      {"libgomp", __VERSION__, "GPL-3.0-or-later WITH GCC-exception-3.1"},
  };
}

}  // namespace normkit
