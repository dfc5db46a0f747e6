#include "tools/version.h"

#include <fmt/format.h>

#include <CLI/Version.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "normkit/version.h"
#include "src/data/dependencies.h"
#include "src/dist/dependencies.h"
#include "src/live/dependencies.h"
#include "src/onednn/dependencies.h"
#include "src/onnx/dependencies.h"
#include "src/simd/dependencies.h"
#include "src/simd/target.h"

namespace normkit::tools {
namespace {

std::vector<Dependency> ToolsDependencies() {
  return {
      {"CLI11", CLI11_VERSION, "BSD-3-Clause"},
      {"nlohmann-json",
       fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                   NLOHMANN_JSON_VERSION_PATCH),
       "MIT"},
  };
}

}  // namespace

std::string VersionText() {
  std::vector<Dependency> all;
  for (const auto& part :
       {CoreDependencies(), CpuDependencies(), OnednnDependencies(), OnnxDependencies(),
        DataDependencies(), DistDependencies(), LiveDependencies(), ToolsDependencies()})
    all.insert(all.end(), part.begin(), part.end());
  size_t name_width = 0, version_width = 0;
  for (const Dependency& d : all) {
    name_width = std::max(name_width, d.name.size());
    version_width = std::max(version_width, d.version.size());
  }
  std::string text = fmt::format("normkit {}  (Apache-2.0)\n\nBuilt on\n", NORMKIT_VERSION);
  for (const Dependency& d : all)
    text += fmt::format("  {:{}}  {:{}}  {}\n", d.name, name_width, d.version, version_width,
                        d.license);
  text += fmt::format("\nKernels for {}; {} runs on this processor\n",
                      fmt::join(simd::CompiledTargets(), ", "), simd::TargetName());
  return text;
}

}  // namespace normkit::tools
