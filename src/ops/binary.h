// Operations on two arrays, element by element, sizes of 1 read again and again: one table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "normkit/ops/op.h"

namespace normkit::ops {

// n elements; strides are 0 (one element for all) or more.
using BinaryRun = void (*)(const void* a, int64_t a_stride, const void* b, int64_t b_stride,
                           void* y, int64_t n);

// The gradient of the loss with respect to one operand, for n elements: of y's shape.
using BinaryGradient = void (*)(const float* dy, const float* a, int64_t a_stride, const float* b,
                                int64_t b_stride, float* to, int64_t n);

struct Binary {
  std::string_view name;       // "add"
  BinaryRun f32, i64, truth;   // null: not of this type
  bool gives_truth;            // bool comes out, whatever goes in
  BinaryGradient gradient[2];  // null: has none
};

std::span<const Binary> BinaryTable();
const Binary& FindBinary(std::string_view name);  // which stands in the table

// a and b: f32, i64 or bool, both alike.
std::shared_ptr<const Op> MakeBinary(const Binary& row);

}  // namespace normkit::ops
