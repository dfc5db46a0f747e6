#pragma once

#include "src/ops/ops.h"

namespace normkit::ops {

// condition (bool), a and b, broadcast: a where it holds, else b. a and b are f32, i64 or bool.
OpPtr Where();

}  // namespace normkit::ops
