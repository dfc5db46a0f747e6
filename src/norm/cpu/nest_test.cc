#include "src/norm/cpu/nest.h"

#include <gtest/gtest.h>

namespace normkit::norm::cpu {
namespace {

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
