#include "src/core/elements.h"

#include <type_traits>

namespace normkit {
namespace {

// Calls f with a null pointer of the type that `dtype` is stored as.
template <class F>
void WithStorage(DType dtype, const F& f) {
  switch (dtype) {
    case DType::kF32:
      return f(static_cast<float*>(nullptr));
    case DType::kF64:
      return f(static_cast<double*>(nullptr));
    case DType::kBF16:
      return f(static_cast<BFloat16*>(nullptr));
    case DType::kF16:
      return f(static_cast<Float16*>(nullptr));
    case DType::kI64:
      return f(static_cast<int64_t*>(nullptr));
    case DType::kI32:
      return f(static_cast<int32_t*>(nullptr));
    case DType::kU8:
    case DType::kBool:
      return f(static_cast<uint8_t*>(nullptr));
  }
}

template <class T>
double Get(T value) {
  if constexpr (std::is_arithmetic_v<T>)
    return static_cast<double>(value);
  else
    return ToFloat(value);
}

template <class T>
void Set(double value, T* to) {
  if constexpr (std::is_same_v<T, BFloat16>)
    *to = ToBFloat16(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, Float16>)
    *to = ToFloat16(static_cast<float>(value));
  else
    *to = static_cast<T>(value);
}

}  // namespace

void ToDoubles(const void* array, DType dtype, std::span<double> values) {
  WithStorage(dtype, [&](auto* storage) {
    const auto* from = static_cast<const std::remove_pointer_t<decltype(storage)>*>(array);
    for (size_t i = 0; i < values.size(); ++i) values[i] = Get(from[i]);
  });
}

std::vector<double> ToDoubles(const void* array, DType dtype, int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  ToDoubles(array, dtype, values);
  return values;
}

void FromDoubles(std::span<const double> values, DType dtype, void* array) {
  WithStorage(dtype, [&](auto* storage) {
    auto* to = static_cast<decltype(storage)>(array);
    for (size_t i = 0; i < values.size(); ++i) Set(values[i], &to[i]);
  });
}

void AddOrStore(std::span<const double> values, DType dtype, bool add, void* array) {
  if (!array) return;
  if (!add) return FromDoubles(values, dtype, array);
  WithStorage(dtype, [&](auto* storage) {
    auto* to = static_cast<decltype(storage)>(array);
    for (size_t i = 0; i < values.size(); ++i) Set(values[i] + Get(to[i]), &to[i]);
  });
}

double Rounded(double value, DType dtype) {
  double bytes = 0;
  FromDoubles({&value, 1}, dtype, &bytes);
  return ToDoubles(&bytes, dtype, 1)[0];
}

}  // namespace normkit
