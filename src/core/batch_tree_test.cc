#include "src/core/batch_tree.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <vector>

#include "normkit/core/random.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

// Values of every observation of a mini-batch, so that their sum depends on its order.
std::vector<float> Values(int64_t observations, int64_t size) {
  Random random(3);
  std::vector<float> values(static_cast<size_t>(observations * size));
  for (float& v : values) v = static_cast<float>(random.Normal() * std::exp(5 * random.Normal()));
  return values;
}

// The sums over all observations, by this rank's part of them.
std::vector<float> SumOf(const std::vector<float>& values, const BatchPart& part, int64_t size,
                         Reducer* reducer) {
  std::vector<float> sums(static_cast<size_t>(size * BatchPart::kLeaves));
  LeafArrays<float> arrays{};
  if (part.size() > 0) {
    const LeafCut cut(part.size(), part);
    for (int64_t i = 0; i < cut.count(); ++i) {
      float* sum = arrays[static_cast<size_t>(cut.leaf(i))] = sums.data() + i * size;
      for (int64_t row = cut.begin(i); row < cut.begin(i + 1); ++row)
        for (int64_t k = 0; k < size; ++k)
          sum[k] += values[static_cast<size_t>((part.begin() + row) * size + k)];
    }
  }
  const float* sum = SumLeaves(arrays, part, reducer, size);
  return sum ? std::vector<float>(sum, sum + size) : std::vector<float>();
}
std::vector<float> SumOf(const std::vector<float>& values, int64_t whole, int64_t size,
                         Reducer* reducer) {
  return SumOf(values,
               reducer ? BatchPart::OfRank(whole, reducer->rank(), reducer->ranks())
                       : BatchPart{.whole = whole},
               size, reducer);
}

TEST(BatchTree, SumsHaveTheSameBitsForAnyNumberOfRanks) {
  constexpr int64_t kSize = 5;
  for (const int64_t whole : {0, 1, 2, 3, 7, 15, 16, 20, 37, 64}) {
    const std::vector<float> values = Values(whole, kSize);
    const std::vector<float> expected = SumOf(values, whole, kSize, nullptr);
    EXPECT_EQ(expected.size(), whole == 0 ? 0u : kSize);
    for (const int ranks : {1, 2, 3, 4, 5, 8, 16, 19})
      RunRanks(ranks, [&](Reducer& reducer) {
        EXPECT_EQ(SumOf(values, whole, kSize, &reducer), expected)
            << whole << " observations, rank " << reducer.rank() << " of " << ranks;
      });
  }
}

TEST(BatchTree, LargeArraysAreSummedByPieces) {
  constexpr int64_t kSize = 10'000;
  const std::vector<float> values = Values(33, kSize);
  const std::vector<float> expected = SumOf(values, 33, kSize, nullptr);
  for (int64_t k = 0; k < kSize; k += 999) {
    const auto at = static_cast<size_t>(k);
    std::vector<float> column;
    for (int64_t b = 0; b < 33; ++b) column.push_back(values[static_cast<size_t>(b * kSize) + at]);
    EXPECT_EQ(SumOf(column, 33, 1, nullptr)[0], expected[at]) << k;
  }
}

TEST(BatchTree, PartsAreRunsOfLeavesThatCoverTheBatch) {
  for (const int64_t whole : {1, 5, 16, 100})
    for (const int ranks : {1, 2, 3, 7, 16, 40}) {
      int64_t end = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const BatchPart part = BatchPart::OfRank(whole, rank, ranks);
        EXPECT_EQ(part.begin(), end);
        EXPECT_EQ(part.rows(), std::max<int64_t>(1, part.size()));
        end += part.size();
      }
      EXPECT_EQ(end, whole);
    }
}

TEST(BatchTree, RowsAreCutByObservation) {
  const BatchPart part = BatchPart::OfRank(20, 1, 4);  // observations 5 to 9
  const LeafCut cut(5 * 3, part);
  ASSERT_EQ(cut.count(), 4);
  EXPECT_EQ(cut.leaf(0), 4);
  EXPECT_EQ(cut.rows(), 15);
  EXPECT_EQ(cut.longest(), 6);
  for (int64_t i = 0; i < cut.count(); ++i)
    EXPECT_EQ(cut.begin(i), (part.leaf_begin(cut.leaf(i)) - 5) * 3);
  const LeafCut few(2, {});  // no mini-batch: rows
  ASSERT_EQ(few.count(), 2);
  EXPECT_EQ(few.length(0) + few.length(1), 2);
  const LeafCut others(7, BatchPart{.whole = 2});  // rows of no observation
  EXPECT_EQ(others.rows(), 7);
  EXPECT_ERROR(LeafCut(7, BatchPart::OfRank(4, 0, 2)),
               "7 rows for 2 observations of a rank, expected a multiple of them");
  const BatchPart idle = BatchPart::OfRank(3, 0, 4);
  EXPECT_EQ(idle.size(), 0);
  EXPECT_EQ(LeafCut(1, idle).count(), 0);
}

// Observations of 1 to 3 rows, which leaves have different numbers of.
TEST(BatchTree, PackedRowsAreCutWhereTheirObservationsAre) {
  constexpr int64_t kObservations = 21, kSize = 5;
  std::vector<int64_t> offsets{0};
  for (int64_t i = 0; i < kObservations; ++i) offsets.push_back(offsets.back() + 1 + i * i % 3);
  std::array<int64_t, BatchPart::kLeaves + 1> begins;
  const BatchPart whole{.whole = kObservations};
  for (int leaf = 0; leaf <= BatchPart::kLeaves; ++leaf)
    begins[static_cast<size_t>(leaf)] = offsets[static_cast<size_t>(whole.leaf_begin(leaf))];
  const std::vector<float> values = Values(offsets.back(), kSize);
  std::vector<float> alone;
  for (const int ranks : {1, 2, 3, 8, 19})
    RunRanks(ranks, [&](Reducer& reducer) {
      const BatchPart part =
          BatchPart::OfRank(offsets.back(), reducer.rank(), ranks, begins.data());
      const BatchPart observations = BatchPart::OfRank(kObservations, reducer.rank(), ranks);
      EXPECT_EQ(part.begin(), offsets[static_cast<size_t>(observations.begin())]);
      EXPECT_EQ(part.rows(), std::max<int64_t>(1, part.size()));
      const std::vector<float> sum = SumOf(values, part, kSize, &reducer);
      if (ranks == 1) alone = sum;
      EXPECT_EQ(sum, alone) << "rank " << reducer.rank() << " of " << ranks;
    });
}

TEST(BatchTree, PackedTimeIsCutAtEachCall) {
  std::array<int64_t, BatchPart::kLeaves + 1> begins{};
  std::ranges::fill(begins.begin() + 8, begins.end(), 4);
  begins.back() = 7;
  const PackedTime time{{.whole = 7, .begins = begins.data()}, {}};
  const RowCut cut(Layout::Make("TC", std::vector<int64_t>{7, 3}), {.whole = 2}, &time);
  EXPECT_TRUE(cut.uneven());
  ASSERT_EQ(cut.Get().count(), 2);
  EXPECT_EQ(cut.Get().length(0), 4);
  std::ranges::fill(begins.begin() + 8, begins.end() - 1, 6);
  EXPECT_EQ(cut.Get().length(0), 6);
  EXPECT_EQ(cut.Get().longest(), 6);
  const RowCut other(Layout::Make("BC", std::vector<int64_t>{2, 3}), {.whole = 2}, &time);
  EXPECT_FALSE(other.uneven());
  EXPECT_EQ(other.Get().rows(), 2);
}

TEST(RunRanks, JoinsInRankOrder) {
  RunRanks(3, [](Reducer& reducer) {
    std::vector<double> values{1e16 * (reducer.rank() == 0), reducer.rank() > 0 ? 1.0 : 0.0};
    reducer.Sum(values);
    EXPECT_EQ(values, (std::vector<double>{1e16, 2}));
    std::vector<Moments> moments{{1, static_cast<double>(reducer.rank()), 0}};
    reducer.Merge(moments);
    EXPECT_EQ(moments[0].n, 3);
    EXPECT_EQ(moments[0].mean, 1);
    EXPECT_EQ(moments[0].m2, 2);
  });
}

TEST(RunRanks, TheFirstErrorEndsAll) {
  std::atomic<int> ended{0};
  const auto run = [&] {
    RunRanks(3, [&](Reducer& reducer) {
      if (reducer.rank() == 1) throw Error("rank 1 has no data");
      std::vector<double> values(2);
      EXPECT_ERROR(reducer.Sum(values), "ranks: another rank ended before this one");
      ++ended;
    });
  };
  EXPECT_ERROR(run(), "rank 1 has no data");
  EXPECT_EQ(ended, 2);
  EXPECT_ERROR(RunRanks(0, [](Reducer&) {}), "ranks: 0 given, expected 1 or more");
  const auto uneven = [] {
    RunRanks(2, [](Reducer& reducer) {
      std::vector<double> values(reducer.rank() + 1u);
      reducer.Sum(values);
    });
  };
  EXPECT_ERROR(uneven(), "ranks: rank 0 gives 8 bytes and rank 1 16, expected the same of each");
  const auto no_room = [] {
    RunRanks(2, [](Reducer& reducer) {
      std::array<std::byte, 4> own{}, all{};
      reducer.Gather(own, all);
    });
  };
  EXPECT_ERROR_LIKE(no_room(), "gives 4 bytes and has room for 4, expected 8 (of 2 ranks)");
}

}  // namespace
}  // namespace normkit
