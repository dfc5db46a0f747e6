#include "src/norm/cpu/nest.h"

#include <gtest/gtest.h>

namespace normkit::norm::cpu {
namespace {

TEST(InvariantDivisor, IsADivision) {
  for (const int64_t by : {1L, 2L, 3L, 7L, 640L, 4099L, (1L << 31) + 11})
    for (const int64_t most : {by, 1000 * by, 1L << 32, 1L << 62}) {
      const InvariantDivisor divisor(by, most);
      for (const int64_t near : {int64_t{1}, by, 17 * by, most / by / 3 * by, most / by * by})
        for (int64_t n = std::max<int64_t>(near - 1, 0); n <= std::min(near + 1, most); ++n)
          EXPECT_EQ(divisor.Quotient(n), n / by) << n << " / " << by << ", up to " << most;
    }
}

TEST(Loops, TheEndOfAnOffset) {
  Loops none, same, changing, both;
  same.Add(6, 0);
  changing.Add(6, 3);
  both.Add(4, 5), both.Add(2, 0), both.Add(3, 0);
  for (const Loops& loops : {none, same, changing, both})
    for (int64_t i = 0; i < loops.size(); ++i) {
      const int64_t end = loops.EndOfSame(i);
      for (int64_t j = i; j < end; ++j) EXPECT_EQ(loops.Offset(j), loops.Offset(i));
      if (end == loops.size()) continue;
      EXPECT_NE(loops.Offset(end), loops.Offset(i));
    }
  EXPECT_EQ(none.EndOfSame(0), 1);
  EXPECT_EQ(both.EndOfSame(7), 12);
}

}  // namespace
}  // namespace normkit::norm::cpu
