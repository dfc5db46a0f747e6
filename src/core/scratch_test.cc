#include "src/core/scratch.h"

#include <gtest/gtest.h>

namespace normkit {
namespace {

struct SmallTag;
struct LargeTag;

TEST(Scratch, KeepsWhatItIsAskedForUntilItGrowsOrIsTrimmed) {
  bool fresh = false;
  double* first = Scratch<SmallTag, double>(10, &fresh);
  EXPECT_TRUE(fresh);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  first[9] = 7;
  EXPECT_TRUE((Scratch<SmallTag, double>(5, &fresh) == first));
  EXPECT_FALSE(fresh);
  Scratch<LargeTag, char>(1000, &fresh);
  EXPECT_TRUE(fresh);
  TrimScratch(500);
  const double* again = Scratch<SmallTag, double>(10, &fresh);
  EXPECT_EQ(again[9], 7);
  EXPECT_FALSE(fresh);
  Scratch<LargeTag, char>(1, &fresh);
  EXPECT_TRUE(fresh);
  Scratch<SmallTag, double>(11, &fresh);
  EXPECT_TRUE(fresh);
}

}  // namespace
}  // namespace normkit
