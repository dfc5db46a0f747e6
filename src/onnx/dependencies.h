// The libraries behind src/onnx, for `normkit --version`.
#pragma once

#include "src/core/dependency.h"

namespace normkit {

std::vector<Dependency> OnnxDependencies();

}  // namespace normkit
