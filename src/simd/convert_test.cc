#include "src/simd/convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "src/simd/target.h"

namespace normkit::simd {
namespace {

// Every pattern of 16 bits, at every place of a vector, to the bit what the scalar functions say.
template <class T>
void CheckAll(DType dtype) {
  std::vector<T> from(1 << 16);
  for (size_t i = 0; i < from.size(); ++i) from[i].bits = static_cast<uint16_t>(i * 3);
  const auto bits = [](float value) { return std::bit_cast<uint32_t>(value); };
  for (const std::string& target : AvailableTargets()) {
    ForceTarget(target);
    for (const float added : {0.0f, 1.0f})
      for (const int64_t n : {1, 7, 1 << 16}) {
        std::vector<float> to(from.size(), -5);
        ToFloats(from.data(), dtype, n, added, to.data());
        for (int64_t i = 0; i < n; ++i) {
          const auto at = static_cast<size_t>(i);
          const float value = ToFloat(from[at]), expected = added == 0 ? value : value + added;
          if (value != value)
            ASSERT_NE(to[at], to[at]) << target;
          else
            ASSERT_EQ(bits(to[at]), bits(expected)) << target << ", pattern " << from[at].bits;
        }
        if (n < 1 << 16) {
          ASSERT_EQ(to[static_cast<size_t>(n)], -5) << target << " goes beyond";
        }
      }
  }
  ForceTarget(AvailableTargets().front());
}

TEST(Convert, EveryPattern) {
  CheckAll<BFloat16>(DType::kBF16);
  CheckAll<Float16>(DType::kF16);
}

TEST(Convert, OneMoreIsRoundedOnce) {
  const std::vector<float> from = {0x1p-25f, 3 * 0x1p-25f, -1, -0.0f};
  std::vector<float> to(4);
  ToFloats(from.data(), DType::kF32, 4, 1, to.data());
  EXPECT_EQ(to, (std::vector<float>{1, 1 + 0x1p-23f, 0, 1}));
}

}  // namespace
}  // namespace normkit::simd
