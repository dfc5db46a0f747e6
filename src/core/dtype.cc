#include "normkit/core/dtype.h"

#include "src/core/fail.h"

namespace normkit {

float ToFloat(BFloat16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }

BFloat16 ToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return {static_cast<uint16_t>((bits >> 16) | 0x0040)};  // stays a quiet NaN
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

float ToFloat(Float16 value) {
  const uint32_t sign = uint32_t{value.bits & 0x8000u} << 16;
  const uint32_t magnitude = value.bits & 0x7fffu;
  if (magnitude >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | (magnitude << 13));
  if (magnitude >= 0x0400) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000));
  // Subnormal: magnitude * 2^-24, exact in binary32.
  return std::bit_cast<float>(sign |
                              std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24f));
}

Float16 ToFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)  // NaN keeps what fits of its bits, as processors do it
    return {static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff))};
  if (magnitude >= 0x477ff000) return {static_cast<uint16_t>(sign | 0x7c00)};  // rounds to infinity
  if (magnitude < 0x38800000) {
    // Below 2^-14 the result is subnormal: adding 0.5 leaves the 10 bits that stay, rounded to
    // even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000))};
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return {static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13))};
}

namespace {

struct Words {
  std::string_view name;
  size_t size;
};
// In the order of DType.
constexpr Words kWords[] = {{"f32", 4}, {"f64", 8}, {"bf16", 2}, {"f16", 2},
                            {"i64", 8}, {"i32", 4}, {"u8", 1},   {"bool", 1}};

}  // namespace

size_t SizeOf(DType dtype) { return kWords[static_cast<size_t>(dtype)].size; }

std::string_view Name(DType dtype) { return kWords[static_cast<size_t>(dtype)].name; }

DType ParseDType(std::string_view name) {
  for (DType d : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16})
    if (name == Name(d)) return d;
  Fail("dtype '{}' is unknown, expected f32, f64, bf16 or f16", name);
}

}  // namespace normkit
