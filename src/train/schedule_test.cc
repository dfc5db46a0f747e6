#include "src/train/schedule.h"

#include <gtest/gtest.h>

namespace normkit {
namespace {

TEST(LearnRate, None) {
  const TrainingOptions options = Resolve({.initial_learn_rate = 0.3});
  EXPECT_EQ(LearnRate(options, 1, 1, 100), 0.3);
  EXPECT_EQ(LearnRate(options, 10, 100, 100), 0.3);
}

TEST(LearnRate, PiecewiseDropsAfterEachPeriod) {
  const TrainingOptions options = Resolve({.initial_learn_rate = 1,
                                           .learn_rate_schedule = Schedule::kPiecewise,
                                           .learn_rate_drop_period = 2,
                                           .learn_rate_drop_factor = 0.5});
  const double expected[] = {1, 1, 0.5, 0.5, 0.25};
  for (int epoch = 1; epoch <= 5; ++epoch)
    EXPECT_EQ(LearnRate(options, epoch, epoch * 10, 50), expected[epoch - 1]) << epoch;
}

TEST(LearnRate, CosineFallsFromInitialTowardsZero) {
  const TrainingOptions options =
      Resolve({.initial_learn_rate = 2, .learn_rate_schedule = Schedule::kCosine});
  EXPECT_EQ(LearnRate(options, 1, 1, 100), 2);
  EXPECT_NEAR(LearnRate(options, 1, 51, 100), 1, 1e-15);
  EXPECT_GT(LearnRate(options, 1, 100, 100), 0);
  EXPECT_LT(LearnRate(options, 1, 100, 100), 1e-3);
}

}  // namespace
}  // namespace normkit
