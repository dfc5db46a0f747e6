#include "normkit/core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace normkit {
namespace {

// The nearest of all 65536 values, ties to the even pattern: what narrowing has to find.
template <class T, T (*kNarrow)(float), float (*kWiden)(T)>
void CheckNarrowingBetweenNeighbours() {
  for (uint32_t bits = 0; bits < 0xffff; ++bits) {
    const T low{static_cast<uint16_t>(bits)}, high{static_cast<uint16_t>(bits + 1)};
    const float a = kWiden(low), b = kWiden(high);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    EXPECT_EQ(kNarrow(a), low);
    const float middle = static_cast<float>((static_cast<double>(a) + b) / 2);
    EXPECT_EQ(kNarrow(middle), bits % 2 == 0 ? low : high) << bits;
    EXPECT_EQ(kNarrow(std::nextafter(middle, a)), low) << bits;
    EXPECT_EQ(kNarrow(std::nextafter(middle, b)), high) << bits;
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(DTypeTest, BFloat16RoundsToNearestEven) {
  CheckNarrowingBetweenNeighbours<BFloat16, ToBFloat16, ToFloat>();
}

TEST(DTypeTest, Float16RoundsToNearestEven) {
  CheckNarrowingBetweenNeighbours<Float16, ToFloat16, ToFloat>();
}

TEST(DTypeTest, Float16Limits) {
  EXPECT_EQ(ToFloat16(65504.0f).bits, 0x7bff);
  EXPECT_EQ(ToFloat16(65519.0f).bits, 0x7bff);
  EXPECT_EQ(ToFloat16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(ToFloat16(-1e30f).bits, 0xfc00);
  EXPECT_EQ(ToFloat16(0x1p-25f).bits, 0);
  EXPECT_EQ(ToFloat16(-0.0f).bits, 0x8000);
}

TEST(DTypeTest, NanStaysNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(ToFloat(ToBFloat16(nan))));
  EXPECT_TRUE(std::isnan(ToFloat(ToFloat16(nan))));
  EXPECT_TRUE(std::isnan(ToFloat(ToBFloat16(std::bit_cast<float>(0x7f800001u)))));
}

}  // namespace
}  // namespace normkit
