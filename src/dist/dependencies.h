// The libraries behind src/dist, for `normkit --version`.
#pragma once

#include "src/core/dependency.h"

namespace normkit {

std::vector<Dependency> DistDependencies();

}  // namespace normkit
