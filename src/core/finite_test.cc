#include "src/core/finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace normkit {
namespace {

TEST(FirstNonFinite, FindsEachKindAtAnyPlace) {
  using Limits = std::numeric_limits<float>;
  for (const size_t size : {1, 511, 512, 513, 2000}) {
    std::vector<float> x(size, Limits::max());
    x.front() = Limits::denorm_min();
    EXPECT_EQ(FirstNonFinite(x), size);
    for (const float bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()})
      for (const size_t at : {size_t{0}, size / 2, size - 1}) {
        std::vector<float> y = x;
        y[at] = bad;
        y.back() = bad;
        EXPECT_EQ(FirstNonFinite(y), at);
      }
  }
  EXPECT_EQ(FirstNonFinite({}), 0u);
}

}  // namespace
}  // namespace normkit
