// Element types of tensors, and the two 16-bit floating-point formats.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "normkit/core/error.h"
#include "normkit/core/export.h"

namespace normkit {

// Storage types. Arithmetic is never done in the 16-bit types: they widen to f32 on load and are
// rounded to nearest even on store. Normalizations take the floating-point ones; whole numbers are
// shapes, indices, labels and pixels.
enum class DType : uint8_t { kF32, kF64, kBF16, kF16, kI64, kI32, kU8, kBool };

constexpr bool IsFloating(DType dtype) { return dtype <= DType::kF16; }

// bfloat16: the upper half of an IEEE binary32.
struct BFloat16 {
  uint16_t bits = 0;
  bool operator==(const BFloat16&) const = default;
};

// IEEE binary16.
struct Float16 {
  uint16_t bits = 0;
  bool operator==(const Float16&) const = default;
};

// Widening is exact; narrowing rounds to nearest, ties to even; NaN stays NaN (quiet), values
// beyond the largest finite one become infinity.
NORMKIT_API float ToFloat(BFloat16 value);
NORMKIT_API float ToFloat(Float16 value);
NORMKIT_API BFloat16 ToBFloat16(float value);
NORMKIT_API Float16 ToFloat16(float value);

// Bytes of one element.
NORMKIT_API size_t SizeOf(DType dtype);

// "f32", "f64", "bf16", "f16", "i64", "i32", "u8", "bool".
NORMKIT_API std::string_view Name(DType dtype);

// The inverse of Name, of the floating-point types. Throws Error naming the expected spellings.
NORMKIT_API DType ParseDType(std::string_view name);

// The type of gamma, beta, given and running statistics for x of type `dtype`: f64 for f64, else
// f32.
inline DType ParameterDType(DType dtype) {
  return dtype == DType::kF64 ? DType::kF64 : DType::kF32;
}

}  // namespace normkit
