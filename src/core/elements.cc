#include "src/core/elements.h"

#include <algorithm>

namespace normkit {

std::vector<double> ToDoubles(const void* array, DType dtype, int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) switch (dtype) {
      case DType::kF32:
        values[i] = static_cast<const float*>(array)[i];
        break;
      case DType::kF64:
        values[i] = static_cast<const double*>(array)[i];
        break;
      case DType::kBF16:
        values[i] = ToFloat(static_cast<const BFloat16*>(array)[i]);
        break;
      case DType::kF16:
        values[i] = ToFloat(static_cast<const Float16*>(array)[i]);
        break;
      case DType::kI64:
        values[i] = static_cast<double>(static_cast<const int64_t*>(array)[i]);
        break;
      case DType::kI32:
        values[i] = static_cast<const int32_t*>(array)[i];
        break;
      case DType::kU8:
      case DType::kBool:
        values[i] = static_cast<const uint8_t*>(array)[i];
        break;
    }
  return values;
}

void FromDoubles(std::span<const double> values, DType dtype, void* array) {
  for (size_t i = 0; i < values.size(); ++i) {
    const auto narrow = static_cast<float>(values[i]);
    switch (dtype) {
      case DType::kF32:
        static_cast<float*>(array)[i] = narrow;
        break;
      case DType::kF64:
        static_cast<double*>(array)[i] = values[i];
        break;
      case DType::kBF16:
        static_cast<BFloat16*>(array)[i] = ToBFloat16(narrow);
        break;
      case DType::kF16:
        static_cast<Float16*>(array)[i] = ToFloat16(narrow);
        break;
      case DType::kI64:
        static_cast<int64_t*>(array)[i] = static_cast<int64_t>(values[i]);
        break;
      case DType::kI32:
        static_cast<int32_t*>(array)[i] = static_cast<int32_t>(values[i]);
        break;
      case DType::kU8:
      case DType::kBool:
        static_cast<uint8_t*>(array)[i] = static_cast<uint8_t>(values[i]);
        break;
    }
  }
}

double Rounded(double value, DType dtype) {
  double bytes = 0;
  FromDoubles({&value, 1}, dtype, &bytes);
  return ToDoubles(&bytes, dtype, 1)[0];
}

}  // namespace normkit
