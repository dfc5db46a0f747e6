#include "normkit/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "normkit/core/moments.h"

namespace normkit {
namespace {

TEST(RandomTest, SameSeedAndStreamSameNumbers) {
  Random a(7, 3), b(7, 3), other_stream(7, 4), other_seed(8, 3);
  const uint64_t first = a.Bits();
  EXPECT_EQ(first, b.Bits());
  EXPECT_NE(first, other_stream.Bits());
  EXPECT_NE(first, other_seed.Bits());
}

TEST(RandomTest, NormalHasTheMomentsOfANormal) {
  Random random(1);
  Moments moments;
  double fourth = 0;
  const int count = 200000;
  for (int i = 0; i < count; ++i) {
    const double value = random.Normal();
    moments.Merge({1, value, 0});
    fourth += value * value * value * value / count;
  }
  EXPECT_NEAR(moments.mean, 0, 0.01);
  EXPECT_NEAR(moments.variance(), 1, 0.02);
  EXPECT_NEAR(fourth, 3, 0.1);
}

TEST(RandomTest, BelowIsUniformAndInRange) {
  Random random(2);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts[static_cast<size_t>(random.Below(7))];
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
  EXPECT_EQ(random.Below(1), 0);
}

TEST(RandomTest, UniformStaysInItsRange) {
  Random random(3);
  for (int i = 0; i < 10000; ++i) {
    const double value = random.Uniform(-2, 5);
    EXPECT_GE(value, -2);
    EXPECT_LT(value, 5);
  }
}

TEST(RandomTest, ShuffleIsAPermutation) {
  std::vector<int64_t> values(100);
  std::iota(values.begin(), values.end(), 0);
  const std::vector<int64_t> sorted = values;
  Random(4).Shuffle(values);
  EXPECT_NE(values, sorted);
  std::sort(values.begin(), values.end());
  EXPECT_EQ(values, sorted);
}

}  // namespace
}  // namespace normkit
