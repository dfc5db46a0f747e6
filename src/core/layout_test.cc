#include "normkit/core/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "normkit/core/error.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

using Shape = std::vector<int64_t>;

TEST(LayoutTest, MakeReadsLetters) {
  const Layout layout = Layout::Make("BCSS", Shape{8, 64, 28, 30});
  EXPECT_EQ(layout.ToString(), "BCSS [8,64,28,30]");
  EXPECT_EQ(layout.size(), 8 * 64 * 28 * 30);
  EXPECT_EQ(layout.SizeOf(kS), 28 * 30);
  EXPECT_EQ(layout.SizeOf(kB | kC), 8 * 64);
  EXPECT_EQ(layout.SizeOf(kT), 1);
  EXPECT_EQ(layout.channels(), 64);
  EXPECT_FALSE(layout.Has(kT));
}

TEST(LayoutTest, ChannelsLastLooksPastAxesOfSizeOne) {
  EXPECT_TRUE(Layout::Make("BSSC", Shape{8, 28, 28, 64}).channels_last());
  EXPECT_FALSE(Layout::Make("BCSS", Shape{8, 64, 28, 28}).channels_last());
  EXPECT_TRUE(Layout::Make("BCSS", Shape{8, 64, 1, 1}).channels_last());
  EXPECT_TRUE(Layout::Make("BC", Shape{8, 1}).channels_last());
  EXPECT_TRUE(Layout::Make("BCSS", Shape{8, 1, 28, 28}).channels_last());
  EXPECT_FALSE(Layout::Make("BS", Shape{8, 28}).channels_last());
  EXPECT_TRUE(Layout::Make("BC", Shape{1, 1}).channels_last());
}

TEST(LayoutTest, SplitChannelsKeepsShapeAndFormat) {
  const Layout layout = Layout::Make("BSSC", Shape{2, 5, 5, 12});
  const Layout split = layout.SplitChannels(3);
  EXPECT_EQ(split.SizeOf(kG), 3);
  EXPECT_EQ(split.SizeOf(kC), 4);
  EXPECT_EQ(split.channels(), 12);
  EXPECT_EQ(split.shape(), layout.shape());
  EXPECT_EQ(split.format(), "BSSC");
  EXPECT_EQ(split.SplitChannels(6).SizeOf(kC), 2);  // splitting again starts from all channels
}

TEST(LayoutTest, WithBatchChangesOnlyTheBatch) {
  const Layout layout = Layout::Make("BTC", Shape{1, 7, 3});
  EXPECT_EQ(layout.WithBatch(5).ToString(), "BTC [5,7,3]");
  EXPECT_EQ(Layout::Make("TBC", Shape{7, 2, 3}).WithBatch(5).ToString(), "TBC [7,5,3]");
}

TEST(LayoutTest, PackedTimeIsFirstAndHasNoBatchBesideIt) {
  EXPECT_TRUE(Layout::Make("TC", Shape{7, 3}).packed());
  EXPECT_EQ(Layout::Make("TC", Shape{7, 3}).WithBatch(2, 9).ToString(), "TC [9,3]");
  EXPECT_FALSE(Layout::Make("TBC", Shape{7, 2, 3}).packed());
  EXPECT_FALSE(Layout::Make("CT", Shape{3, 7}).packed());
  EXPECT_FALSE(Layout::Make("BC", Shape{2, 3}).packed());
}

TEST(LayoutTest, EmptyBatchHasNoElements) { EXPECT_EQ(Layout::Make("BC", Shape{0, 3}).size(), 0); }

TEST(LayoutTest, Errors) {
  EXPECT_ERROR(Layout::Make("BCS", Shape{1, 2}),
               "format 'BCS' has 3 letters, but the array has 2 dimensions [1,2]");
  EXPECT_ERROR(Layout::Make("BXS", Shape{1, 2, 3}),
               "format 'BXS': letter 'X' is unknown, expected B, T, S and C, did you mean 'BCS'?");
  EXPECT_ERROR(Layout::Make("BCC", Shape{1, 2, 3}),
               "format 'BCC': C stands twice, expected at most once");
  EXPECT_ERROR(Layout::Make("BC", Shape{1, -2}), "layout: axis C has size -2, expected >= 0");
  EXPECT_ERROR(Layout::Make("BC", Shape{int64_t{1} << 40, int64_t{1} << 40}),
               "layout BC [1099511627776,1099511627776]: more elements than memory can hold");
  EXPECT_ERROR(Layout::Make("BC", Shape{0, int64_t{1} << 61}),
               "layout BC [0,2305843009213693952]: more elements than memory can hold");
  EXPECT_ERROR(Layout::Make("BC", Shape{4, 10}).SplitChannels(3),
               "group normalization: 3 groups do not divide 10 channels of BC [4,10]");
}

}  // namespace
}  // namespace normkit
