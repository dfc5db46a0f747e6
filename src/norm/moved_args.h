// The arguments of a call for a part of its arrays.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "src/norm/backend.h"

namespace normkit {

using BytesOfArrays = std::array<int64_t, kNormArrays>;

// Null stays null.
template <class T>
void MoveBy(T*& array, int64_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;
  if (array) array = reinterpret_cast<T*>(reinterpret_cast<Byte*>(array) + bytes);
}

// The arrays of the shape of x `times` so many bytes further on.
inline NormForwardArgs MovedBy(NormForwardArgs args, int64_t times, const BytesOfArrays& bytes) {
  const auto move = [&](auto*& array, NormArray which) {
    MoveBy(array, times * bytes[static_cast<size_t>(which)]);
  };
  move(args.x, NormArray::kX), move(args.y, NormArray::kY);
  move(args.residual, NormArray::kResidual), move(args.sum, NormArray::kSum);
  move(args.addend, NormArray::kAddend), move(args.gate, NormArray::kGate);
  return args;
}
inline NormBackwardArgs MovedBy(NormBackwardArgs args, int64_t times, const BytesOfArrays& bytes) {
  const auto move = [&](auto*& array, NormArray which) {
    MoveBy(array, times * bytes[static_cast<size_t>(which)]);
  };
  move(args.x, NormArray::kX), move(args.dy, NormArray::kDy), move(args.y, NormArray::kY);
  move(args.dx, NormArray::kDx), move(args.addend, NormArray::kAddend);
  move(args.daddend, NormArray::kDaddend), move(args.gate, NormArray::kGate);
  move(args.dgate, NormArray::kDgate);
  return args;
}

}  // namespace normkit
