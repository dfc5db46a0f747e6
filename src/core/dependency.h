// What normkit stands on, for `normkit --version`.
#pragma once

#include <string>
#include <vector>

namespace normkit {

// A library, its version, and its licence as an SPDX expression.
struct Dependency {
  std::string name, version, license;
};

// What src/core uses. The other modules have a function of their own, in dependencies.h, so that
// only the module that may include a library's headers names it.
std::vector<Dependency> CoreDependencies();

}  // namespace normkit
