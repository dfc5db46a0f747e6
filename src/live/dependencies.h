// The libraries behind src/live, for `normkit --version`.
#pragma once

#include "src/core/dependency.h"

namespace normkit {

std::vector<Dependency> LiveDependencies();

}  // namespace normkit
