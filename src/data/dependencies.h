// The libraries behind src/data, for `normkit --version`.
#pragma once

#include "src/core/dependency.h"

namespace normkit {

std::vector<Dependency> DataDependencies();

}  // namespace normkit
