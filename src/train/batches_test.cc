#include "src/train/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace normkit {
namespace {

using Sizes = std::vector<int64_t>;

TEST(EpochOrder, IsAPermutationThatSeedAndEpochDecide) {
  const Sizes first = EpochOrder(100, Shuffle::kEveryEpoch, 1, 1);
  Sizes sorted = first, natural(100);
  std::sort(sorted.begin(), sorted.end());
  std::iota(natural.begin(), natural.end(), 0);
  EXPECT_EQ(sorted, natural);
  EXPECT_NE(first, natural);
  EXPECT_EQ(first, EpochOrder(100, Shuffle::kEveryEpoch, 1, 1));
  EXPECT_NE(first, EpochOrder(100, Shuffle::kEveryEpoch, 1, 2));
  EXPECT_NE(first, EpochOrder(100, Shuffle::kEveryEpoch, 2, 1));
}

TEST(EpochOrder, OnceAndNever) {
  EXPECT_EQ(EpochOrder(50, Shuffle::kOnce, 3, 1), EpochOrder(50, Shuffle::kOnce, 3, 9));
  EXPECT_EQ(EpochOrder(3, Shuffle::kNever, 3, 7), (Sizes{0, 1, 2}));
}

TEST(BatchSizes, TheLastIsPartial) {
  EXPECT_EQ(BatchSizes(10, 5, Single::kDrop), (Sizes{5, 5}));
  EXPECT_EQ(BatchSizes(10, 4, Single::kDrop), (Sizes{4, 4, 2}));
  EXPECT_EQ(BatchSizes(3, 8, Single::kDrop), (Sizes{3}));
  EXPECT_EQ(BatchSizes(0, 8, Single::kDrop), Sizes{});
}

TEST(BatchSizes, OneLeftOverIsDroppedOrJoined) {
  EXPECT_EQ(BatchSizes(9, 4, Single::kDrop), (Sizes{4, 4}));
  EXPECT_EQ(BatchSizes(9, 4, Single::kJoin), (Sizes{4, 5}));
  EXPECT_EQ(BatchSizes(1, 4, Single::kDrop), (Sizes{1}));
  EXPECT_EQ(BatchSizes(3, 1, Single::kDrop), (Sizes{1, 1, 1}));
}

TEST(Cut, FollowsTheOrder) {
  const Sizes order{4, 2, 0, 1, 3}, sizes{2, 3};
  const auto batches = Cut(order, sizes);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(Sizes(batches[0].begin(), batches[0].end()), (Sizes{4, 2}));
  EXPECT_EQ(Sizes(batches[1].begin(), batches[1].end()), (Sizes{0, 1, 3}));
}

}  // namespace
}  // namespace normkit
