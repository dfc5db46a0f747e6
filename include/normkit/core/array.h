// Arrays of any element type: what they are (ArrayType), and where one lies (ArrayView).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "normkit/core/dtype.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"

namespace normkit {

template <class T>
constexpr DType DTypeOf() {
  if constexpr (std::is_same_v<T, float>)
    return DType::kF32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::kF64;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return DType::kBF16;
  else if constexpr (std::is_same_v<T, Float16>)
    return DType::kF16;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::kI64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::kI32;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::kU8;
  else {
    static_assert(std::is_same_v<T, bool>);
    return DType::kBool;
  }
}

enum class Device : uint8_t { kCpu };

// Element type and shape. The labels of the shape's axes are there for those who want them.
struct ArrayType {
  DType dtype = DType::kF32;
  Layout shape = {};
  size_t bytes() const { return static_cast<size_t>(shape.size()) * SizeOf(dtype); }
  NORMKIT_API std::string ToString() const;  // "f32 BC [8,10]"
  bool operator==(const ArrayType&) const = default;
};

// An array that someone else owns.
struct ArrayView {
  void* data = nullptr;
  ArrayType type = {};
  std::vector<int64_t> strides = {};  // in elements, one an axis; empty: dense, the last fastest
  Device device = Device::kCpu;

  // The elements as T. Throws Error where T is not their type, or they are not dense.
  template <class T>
  std::span<T> values() const {
    CheckDense(DTypeOf<T>());
    return {static_cast<T*>(data), static_cast<size_t>(type.shape.size())};
  }
  NORMKIT_API void CheckDense(DType wanted) const;
};

}  // namespace normkit
