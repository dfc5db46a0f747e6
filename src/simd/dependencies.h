// The libraries behind src/norm/cpu, for `normkit --version`.
#pragma once

#include "src/core/dependency.h"

namespace normkit {

std::vector<Dependency> CpuDependencies();

}  // namespace normkit
