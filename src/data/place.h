// Where a value lies in an observation, for messages.
#pragma once

#include <string>

#include "normkit/core/layout.h"

namespace normkit {

// "[3,4,0]": value `index` of an observation in `layout` (B = 1); of a sequence, its row first.
std::string PlaceOf(const Layout& layout, size_t index);

}  // namespace normkit
