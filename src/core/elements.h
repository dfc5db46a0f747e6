// Elements of any dtype as doubles and back: for oracles and small arrays.
#pragma once

#include <span>
#include <vector>

#include "normkit/core/dtype.h"

namespace normkit {

// `count` elements of `array`, exactly (i64: up to 2^53).
std::vector<double> ToDoubles(const void* array, DType dtype, int64_t count);
// The same into `values`, as many as those are.
void ToDoubles(const void* array, DType dtype, std::span<double> values);

// Rounds `values` to `dtype` (bf16 and f16: by way of f32, as the kernels do; whole numbers: cut
// off) into `array`.
void FromDoubles(std::span<const double> values, DType dtype, void* array);

// The same on top of what is there where it is to be added to; null: nothing.
void AddOrStore(std::span<const double> values, DType dtype, bool add, void* array);

// `value` as it is after a round trip.
double Rounded(double value, DType dtype);

}  // namespace normkit
