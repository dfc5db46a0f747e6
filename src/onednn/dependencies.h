// The libraries behind src/onednn, for `normkit --version`.
#pragma once

#include "src/core/dependency.h"

namespace normkit {

std::vector<Dependency> OnednnDependencies();

}  // namespace normkit
