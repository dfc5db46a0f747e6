// Arrays of 16-bit numbers as f32.
#pragma once

#include <cstdint>

#include "normkit/core/dtype.h"

namespace normkit::simd {

// to[i] = from[i] + added, rounded once; exactly from[i] where `added` is 0. `dtype` is f32, bf16
// or f16.
void ToFloats(const void* from, DType dtype, int64_t n, float added, float* to);

}  // namespace normkit::simd
