#pragma once

#include <cstdint>

namespace normkit {

// How many pieces of b hold a; a of 0 or more, b above 0.
constexpr int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace normkit
