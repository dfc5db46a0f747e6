#include "src/train/metrics.h"

#include <gtest/gtest.h>

#include <vector>

#include "normkit/core/random.h"

namespace normkit {
namespace {

using Labels = std::vector<int64_t>;

TEST(Metrics, FScoreByHand) {
  // Class 0: 2 right of 3, 3 given: F = 2/3. Class 1: 1 right of 2, 2 given: 1/2. Class 2 occurs
  // not.
  EXPECT_NEAR(FScore(Labels{0, 0, 0, 1, 1}, Labels{0, 0, 1, 1, 0}, 3), 100 * (2. / 3 + .5) / 2,
              1e-12);
  EXPECT_EQ(FScore(Labels{0, 1}, Labels{0, 1}, 2), 100);
  EXPECT_EQ(FScore(Labels{0, 1}, Labels{1, 0}, 2), 0);
  EXPECT_EQ(FScore(Labels{0, 1}, Labels{-1, -1}, 2), 0);
}

TEST(Metrics, AreaIsThatOfPairs) {
  constexpr int64_t kClasses = 3;
  Random random(1);
  Labels labels;
  std::vector<float> scores;
  for (int i = 0; i < 60; ++i) {
    labels.push_back(random.Below(kClasses));
    for (int64_t c = 0; c < kClasses; ++c)  // few values: many are equal
      scores.push_back(static_cast<float>(random.Below(5) + (labels.back() == c)));
  }
  double mean = 0;
  for (int64_t c = 0; c < kClasses; ++c) {
    double more = 0, pairs = 0;
    for (size_t i = 0; i < labels.size(); ++i)
      for (size_t k = 0; k < labels.size(); ++k) {
        if (labels[i] != c || labels[k] == c) continue;
        const float a = scores[i * kClasses + static_cast<size_t>(c)],
                    b = scores[k * kClasses + static_cast<size_t>(c)];
        more += a > b ? 1 : a == b ? 0.5 : 0;
        ++pairs;
      }
    mean += 100 * more / pairs / kClasses;
  }
  EXPECT_NEAR(AreaUnderCurve(labels, scores, kClasses), mean, 1e-10);
  EXPECT_EQ(AreaUnderCurve(Labels{1, 1}, std::vector<float>{0, 1, 0, 1}, 2), 0);  // one class alone
}

TEST(Metrics, LessOrMoreIsBetter) {
  EXPECT_TRUE(IsBetter(Metric::kLoss, 1, 2));
  EXPECT_TRUE(IsBetter(Metric::kRmse, 1, 2));
  EXPECT_TRUE(IsBetter(Metric::kAccuracy, 2, 1));
  EXPECT_FALSE(IsBetter(Metric::kAuc, 1, 1));
}

}  // namespace
}  // namespace normkit
