// Looking for NaN and infinities.
#pragma once

#include <cstddef>
#include <span>

namespace normkit {

// The index of the first value that is NaN or infinite; x.size() where all are finite. At the speed
// of memory.
size_t FirstNonFinite(std::span<const float> x);

}  // namespace normkit
