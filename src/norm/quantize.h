// Numbers of 8 bits, element by element: what the kernels and the reference make of y.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "normkit/norm/normalization.h"

namespace normkit {

// How y is written in 8 bits.
struct Quantizer {
  OutputType type = OutputType::kSame;
  double scale = 1;  // of kInt8PerStatistic: of the statistic
  int32_t zero_point = 0;
};

// The nearest whole number, halves to even, of |v| < 2^21: the same wherever additions are rounded
// so, and in vectors.
inline float Rounded(float v) { return (v + 0x1.8p23f) - 0x1.8p23f; }
inline double Rounded(double v) { return (v + 0x1.8p52) - 0x1.8p52; }

// round(y / scale) + zero_point, within `least` and `most`; of NaN the zero point.
template <class R>
int32_t QuantizedTo(R y, R scale, R zero_point, R least, R most) {
  const R quotient = y / scale;
  const R number = quotient == quotient ? quotient : R(0);
  const R low = least - zero_point, high = most - zero_point;
  const R within = number < low ? low : (number > high ? high : number);
  return static_cast<int32_t>(Rounded(within) + zero_point);
}

// e4m3: a sign, 4 bits of exponent (bias 7), 3 of the fraction; no infinities, 448 is the largest.
// Halves to even, beyond 448 that; NaN stays NaN.
inline uint8_t ToFloat8(float v) {
  const auto bits = std::bit_cast<uint32_t>(v);
  const uint32_t sign = bits >> 24 & 0x80;
  const float magnitude = std::bit_cast<float>(bits & 0x7fffffffu);
  const float within = magnitude < 448.0f ? magnitude : 448.0f;  // of NaN too
  // Below 2^-6 steps are 2^-9, as those of f32 from 2^14 on; above, 20 bits of the fraction go.
  const uint32_t small =
      std::bit_cast<uint32_t>(within + 0x1p14f) - std::bit_cast<uint32_t>(0x1p14f);
  const auto whole = std::bit_cast<uint32_t>(within);
  const uint32_t large = ((whole + 0x7ffffu + (whole >> 20 & 1)) >> 20) - ((127 - 7) << 3);
  const uint32_t number = within < 0x1p-6f ? small : large;
  return static_cast<uint8_t>(sign | (magnitude == magnitude ? number : 0x7fu));
}
inline uint8_t ToFloat8(double v) {
  // To f32 by truncation, what is lost in the last bit: rounded once, not twice.
  auto near = static_cast<float>(v);
  if (std::isfinite(near) && std::abs(static_cast<double>(near)) > std::abs(v))
    near = std::nextafter(near, 0.0f);
  if (static_cast<double>(near) != v && v == v)
    near = std::bit_cast<float>(std::bit_cast<uint32_t>(near) | 1u);
  return ToFloat8(near);
}

// The scale of a statistic whose largest |y| is this: all within -127 and 127. 1 where all are 0.
template <class R>
float ScaleFor8Bits(R largest) {
  return largest == 0 ? 1.0f : static_cast<float>(largest / R(127));
}

}  // namespace normkit
