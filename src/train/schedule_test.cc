#include <gtest/gtest.h>

#include "normkit/train/optimizer.h"

namespace normkit {
namespace {

TEST(LearnRate, None) {
  const TrainingOptions options = Resolve({.initial_learn_rate = 0.3});
  EXPECT_EQ(LearnRate(options, 1, 100), 0.3);
  EXPECT_EQ(LearnRate(options, 100, 10), 0.3);
}

TEST(LearnRate, PiecewiseDropsAfterEachPeriod) {
  const TrainingOptions options = Resolve({.initial_learn_rate = 1,
                                           .learn_rate_schedule = Schedule::kPiecewise,
                                           .learn_rate_drop_period = 2,
                                           .learn_rate_drop_factor = 0.5});
  const double expected[] = {1, 1, 0.5, 0.5, 0.25};
  for (int epoch = 1; epoch <= 5; ++epoch)
    EXPECT_EQ(LearnRate(options, epoch * 10, 10), expected[epoch - 1]) << epoch;
}

TEST(LearnRate, CosineFallsFromInitialTowardsZero) {
  const TrainingOptions options = Resolve(
      {.max_epochs = 10, .initial_learn_rate = 2, .learn_rate_schedule = Schedule::kCosine});
  EXPECT_EQ(LearnRate(options, 1, 10), 2);
  EXPECT_NEAR(LearnRate(options, 51, 10), 1, 1e-15);
  EXPECT_GT(LearnRate(options, 100, 10), 0);
  EXPECT_LT(LearnRate(options, 100, 10), 1e-3);
}

TEST(LearnRate, ExponentialFallsByTheFactorInEachPeriod) {
  const TrainingOptions options = Resolve({.initial_learn_rate = 4,
                                           .learn_rate_schedule = Schedule::kExponential,
                                           .learn_rate_drop_period = 2,
                                           .learn_rate_drop_factor = 0.25});
  EXPECT_EQ(LearnRate(options, 1, 10), 4);
  EXPECT_NEAR(LearnRate(options, 11, 10), 2, 1e-15);
  EXPECT_NEAR(LearnRate(options, 21, 10), 1, 1e-15);
}

TEST(LearnRate, PolynomialEndsAtZero) {
  TrainingOptions options = Resolve(
      {.max_epochs = 10, .initial_learn_rate = 1, .learn_rate_schedule = Schedule::kPolynomial});
  EXPECT_EQ(LearnRate(options, 1, 10), 1);
  EXPECT_NEAR(LearnRate(options, 26, 10), 0.75, 1e-15);
  options.learn_rate_power = 2;
  EXPECT_NEAR(LearnRate(options, 51, 10), 0.25, 1e-15);
  EXPECT_NEAR(LearnRate(options, 100, 10), 1e-4, 1e-15);
}

TEST(LearnRate, CyclicalGoesUpAndDown) {
  const TrainingOptions options = Resolve({.initial_learn_rate = 1,
                                           .learn_rate_schedule = Schedule::kCyclical,
                                           .learn_rate_drop_period = 2,
                                           .learn_rate_drop_factor = 0.2});
  const double expected[] = {0.2, 0.6, 1, 0.6, 0.2};
  for (int half = 0; half < 5; ++half)
    EXPECT_NEAR(LearnRate(options, half * 5 + 1, 10), expected[half], 1e-15) << half;
}

TEST(LearnRate, WarmUpComesFirst) {
  const TrainingOptions options = Resolve({.max_epochs = 10,
                                           .initial_learn_rate = 1,
                                           .learn_rate_schedule = Schedule::kPolynomial,
                                           .learn_rate_warmup = 20});
  EXPECT_NEAR(LearnRate(options, 1, 10), 1. / 21, 1e-15);
  EXPECT_NEAR(LearnRate(options, 20, 10), 20. / 21, 1e-15);
  EXPECT_EQ(LearnRate(options, 21, 10), 1);
  EXPECT_NEAR(LearnRate(options, 61, 10), 0.5, 1e-15);  // of the 80 that are left
}

TEST(LearnRate, ChainedSchedulesEachBeginAnew) {
  const TrainingOptions options =
      Resolve({.max_epochs = 6,
               .initial_learn_rate = 1,
               .learn_rate_schedule = Schedule::kPiecewise,  // the chain stands in its place
               .learn_rate_chain = {
                   {Schedule::kNone, 2}, {Schedule::kPolynomial, 2}, {Schedule::kPolynomial, 1}}});
  const double expected[] = {1, 1, 1, 0.5, 1, 0.5};  // the last one goes on for two epochs
  for (int epoch = 0; epoch < 6; ++epoch)
    EXPECT_NEAR(LearnRate(options, epoch * 10 + 1, 10), expected[epoch], 1e-15) << epoch;
}

TEST(LearnRate, AFunctionIsAsked) {
  TrainingOptions options = Resolve({});
  options.learn_rate_function = [](int64_t epoch, int64_t iteration) {
    return static_cast<double>(100 * epoch + iteration);
  };
  EXPECT_EQ(LearnRate(options, 10, 10), 110);
  EXPECT_EQ(LearnRate(options, 11, 10), 211);
}

}  // namespace
}  // namespace normkit
