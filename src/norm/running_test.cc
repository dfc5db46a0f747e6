#include <gtest/gtest.h>

#include <vector>

#include "normkit/norm/normalization.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

struct Row {
  int64_t count;
  double mean_decay, variance_decay;
  RunningDivisor divisor;
  double mean, variance;  // from running mean 1 and variance 4, new mean 3 and variance 2
};

TEST(UpdateRunning, Table) {
  const Row rows[] = {
      {10, 0.1, 0.1, RunningDivisor::kCount, 1.2, 3.8},
      {10, 0.1, 0.1, RunningDivisor::kCountMinusOne, 1.2, 3.6 + 0.1 * 2 * 10 / 9},
      {2, 0.5, 0.25, RunningDivisor::kCountMinusOne, 2.0, 3.0 + 0.25 * 4},
      {10, 0.0, 0.0, RunningDivisor::kCount, 1.0, 4.0},
      {10, 1.0, 1.0, RunningDivisor::kCount, 3.0, 2.0},
      {1, 0.1, 0.1, RunningDivisor::kCount, 1.2, 4.0},  // one value has no variance
      {1, 0.1, 0.1, RunningDivisor::kCountMinusOne, 1.2, 4.0},
      {0, 0.1, 0.1, RunningDivisor::kCount, 1.0, 4.0},  // an empty batch
  };
  for (const Row& row : rows) {
    const std::vector<double> mean = {3}, variance = {2};
    std::vector<double> running_mean = {1}, running_variance = {4};
    UpdateRunning<double>(mean, variance, row.count, row.mean_decay, row.variance_decay,
                          row.divisor, running_mean, running_variance);
    EXPECT_DOUBLE_EQ(running_mean[0], row.mean) << row.count;
    EXPECT_DOUBLE_EQ(running_variance[0], row.variance) << row.count;
  }
}

TEST(UpdateRunning, BlendsFloatsInDouble) {
  const std::vector<double> mean = {1e-9}, variance = {1};
  std::vector<float> running_mean = {1}, running_variance = {1};
  UpdateRunning<float>(mean, variance, 8, 0.1, 0.1, RunningDivisor::kCount, running_mean,
                       running_variance);
  EXPECT_EQ(running_mean[0], static_cast<float>(0.9 + 1e-10));
  EXPECT_EQ(running_variance[0], 1.0f);
}

TEST(UpdateRunning, Errors) {
  const std::vector<double> two(2);
  std::vector<float> running_mean(2), running_variance(2), three(3);
  const auto update = [&](std::span<float> mean, double mean_decay, double variance_decay) {
    UpdateRunning<float>(two, two, 8, mean_decay, variance_decay, RunningDivisor::kCount, mean,
                         running_variance);
  };
  EXPECT_ERROR(update(three, 0.1, 0.1),
               "running statistics: 2 means and 2 variances given, expected 3 and 2");
  EXPECT_ERROR(update(running_mean, 1.5, 0.1),
               "running statistics: mean decay is 1.5, expected 0 to 1");
  EXPECT_ERROR(update(running_mean, 0.1, -0.5),
               "running statistics: variance decay is -0.5, expected 0 to 1");
}

TEST(Momentum, OfOtherFrameworks) {
  EXPECT_NEAR(DecayFromOnnxMomentum(0.9), 0.1, 1e-15);
  EXPECT_NEAR(DecayFromPyTorchMomentum(0.1), 0.1, 1e-15);
  EXPECT_NEAR(DecayFromKerasMomentum(0.99), 0.01, 1e-15);
}

}  // namespace
}  // namespace normkit
