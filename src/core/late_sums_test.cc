#include "src/core/late_sums.h"

#include <gtest/gtest.h>

#include <vector>

#include "src/core/late_sums_testing.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

TEST(LateSums, HaveTheBitsOfOneRank) {
  for (const int64_t observations : {1, 3, 16, 21}) {
    const Gradients gradients(observations);
    const std::vector<float> expected = gradients.Of(nullptr, nullptr);
    for (const int ranks : {2, 3, 5, 17})
      RunRanks(ranks, [&](Reducer& reducer) {
        LateSums late;
        for (int pass = 0; pass < 2; ++pass)  // the second in the memory of the first
          EXPECT_TRUE(gradients.Of(&reducer, &late) == expected)
              << observations << " observations, rank " << reducer.rank() << " of " << ranks;
        EXPECT_TRUE(gradients.Of(&reducer, nullptr) == expected);
      });
  }
}

TEST(LateSums, AnswerAtOnceForWhatIsNoGradient) {
  const Addends addends(16, 5, 0);
  std::vector<float> expected(5);
  SumTo<float>(addends, {.whole = 16}, nullptr, expected.data());
  RunRanks(2, [&](Reducer& reducer) {
    std::vector<float> gradients(5), other(5);
    LateSums late;
    late.Begin(dynamic_cast<TransferReducer&>(reducer), gradients);
    SumTo<float>(addends, BatchPart::OfRank(16, reducer.rank(), 2), &late, other.data());
    EXPECT_EQ(other, expected);
    late.Finish();
  });
}

// Of a pass that failed nothing is left in the next.
TEST(LateSums, BeginAnew) {
  const Gradients gradients(16);
  const std::vector<float> expected = gradients.Of(nullptr, nullptr);
  RunRanks(2, [&](Reducer& reducer) {
    LateSums late;
    std::vector<float> lost(70'000);
    late.Begin(dynamic_cast<TransferReducer&>(reducer), lost);
    SumTo<float>(Addends(16, 70'000, 1), BatchPart::OfRank(16, reducer.rank(), 2), &late,
                 lost.data());
    EXPECT_TRUE(gradients.Of(&reducer, &late) == expected);
  });
}

}  // namespace
}  // namespace normkit
