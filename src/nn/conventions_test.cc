#include "normkit/nn/conventions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>

#include "src/core/testing.h"

namespace normkit {
namespace {

using Shape = std::vector<int64_t>;

WeightArray Counted(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  WeightArray weights{std::vector<float>(static_cast<size_t>(count)), shape};
  std::iota(weights.values.begin(), weights.values.end(), 0.f);
  return weights;
}

TEST(Conventions, Momentum) {
  const struct {
    Framework framework;
    double epsilon, momentum, decay;
    RunningDivisor divisor;
  } rows[] = {{Framework::kNormkit, 1e-5, 0.1, 0.1, RunningDivisor::kCount},
              {Framework::kToolbox, 1e-5, 0.1, 0.1, RunningDivisor::kCount},
              {Framework::kPyTorch, 1e-5, 0.1, 0.1, RunningDivisor::kCountMinusOne},
              {Framework::kKeras, 1e-3, 0.99, 0.01, RunningDivisor::kCount},
              {Framework::kOnnx, 1e-5, 0.9, 0.1, RunningDivisor::kCount}};
  for (const auto& row : rows) {
    const BatchNormConvention is = ConventionOf(row.framework);
    EXPECT_EQ(is.epsilon, row.epsilon) << Name(row.framework);
    EXPECT_EQ(is.momentum, row.momentum) << Name(row.framework);
    EXPECT_EQ(is.divisor, row.divisor) << Name(row.framework);
    const double decay = ConvertMomentum(row.momentum, row.framework, Framework::kNormkit);
    EXPECT_NEAR(decay, row.decay, 1e-15) << Name(row.framework);
    EXPECT_NEAR(ConvertMomentum(decay, Framework::kNormkit, row.framework), row.momentum, 1e-15);
    EXPECT_EQ(ParseFramework(Name(row.framework)), row.framework);
  }
}

TEST(Conventions, VarianceAndEpsilon) {
  std::vector<float> variance{1, 4};
  ConvertVariance(variance, 5, Framework::kNormkit, Framework::kPyTorch);
  EXPECT_EQ(variance, (std::vector<float>{1.25f, 5}));
  ConvertVariance(variance, 5, Framework::kPyTorch, Framework::kKeras);
  EXPECT_EQ(variance, (std::vector<float>{1, 4}));
  std::vector<float> scale{2, -1};
  ConvertEpsilon(scale, variance, 1e-3, 1e-5);
  EXPECT_FLOAT_EQ(scale[0], static_cast<float>(2 * std::sqrt(1.00001 / 1.001)));
  EXPECT_FLOAT_EQ(scale[1], static_cast<float>(-std::sqrt(4.00001 / 4.001)));
}

// One element of an array in the order of normkit, and where it is in that of others.
TEST(Conventions, WeightsOfOthers) {
  const WeightArray conv = Counted({5, 4, 2, 3});  // [O,I,K,K]
  for (const Framework to : {Framework::kKeras, Framework::kToolbox}) {
    const WeightArray there =
        ConvertWeights(WeightKind::kConvolution, conv, Framework::kNormkit, to);
    EXPECT_EQ(there.shape, (Shape{2, 3, 4, 5}));
    // [o 3, i 2, k 1, l 2] is [k 1, l 2, i 2, o 3] there.
    EXPECT_EQ(there.values[((1 * 3 + 2) * 4 + 2) * 5 + 3],
              conv.values[((3 * 4 + 2) * 2 + 1) * 3 + 2]);
  }
  EXPECT_EQ(ConvertWeights(WeightKind::kConvolution, conv, Framework::kNormkit, Framework::kPyTorch)
                .values,
            conv.values);

  const WeightArray flat = Counted({2, 24});  // of [2,3,4]: channels, rows, columns
  const Shape image{2, 3, 4};
  const float seen = flat.values[24 + (3 * 2 + 1) * 3 + 2];  // [o 1, channel 3, row 1, column 2]
  const auto to = [&](Framework framework) {
    return ConvertWeights(WeightKind::kConnection, flat, Framework::kNormkit, framework, image);
  };
  EXPECT_EQ(to(Framework::kPyTorch).values, flat.values);
  EXPECT_EQ(to(Framework::kToolbox).values[24 + (3 * 3 + 2) * 2 + 1], seen);
  EXPECT_EQ(to(Framework::kKeras).shape, (Shape{24, 2}));
  EXPECT_EQ(to(Framework::kKeras).values[((1 * 3 + 2) * 4 + 3) * 2 + 1], seen);
}

TEST(Conventions, Gates) {
  const WeightArray lstm = Counted({8}), gru = Counted({6});
  const auto to = [](WeightKind kind, const WeightArray& weights, Framework framework) {
    return ConvertWeights(kind, weights, Framework::kNormkit, framework).values;
  };
  using Values = std::vector<float>;
  EXPECT_EQ(to(WeightKind::kLstm, lstm, Framework::kOnnx), (Values{0, 1, 6, 7, 2, 3, 4, 5}));
  EXPECT_EQ(to(WeightKind::kLstm, lstm, Framework::kKeras), lstm.values);
  EXPECT_EQ(to(WeightKind::kGru, gru, Framework::kOnnx), (Values{2, 3, 0, 1, 4, 5}));
  EXPECT_EQ(to(WeightKind::kGru, gru, Framework::kPyTorch), gru.values);
  const WeightArray keras =
      ConvertWeights(WeightKind::kGru, Counted({6, 2}), Framework::kNormkit, Framework::kKeras);
  EXPECT_EQ(keras.shape, (Shape{2, 6}));
  EXPECT_EQ(keras.values, (Values{4, 6, 0, 2, 8, 10, 5, 7, 1, 3, 9, 11}));
}

TEST(Conventions, ThereAndBack) {
  const struct {
    WeightKind kind;
    Shape shape, flattened;
  } cases[] = {{WeightKind::kConvolution, {3, 2, 4}, {}},
               {WeightKind::kConvolution, {3, 2, 4, 5, 2}, {}},
               {WeightKind::kConnection, {3, 5}, {}},
               {WeightKind::kConnection, {24, 24}, {2, 3, 4}},
               {WeightKind::kLstm, {12, 5}, {}},
               {WeightKind::kGru, {9, 3}, {}},
               {WeightKind::kLstm, {16}, {}}};
  const Framework all[] = {Framework::kNormkit, Framework::kToolbox, Framework::kPyTorch,
                           Framework::kKeras, Framework::kOnnx};
  for (const auto& [kind, shape, flattened] : cases)
    for (const Framework from : all)
      for (const Framework to : all) {
        const WeightArray own =
            ConvertWeights(kind, Counted(shape), Framework::kNormkit, from, flattened);
        const WeightArray there = ConvertWeights(kind, own, from, to, flattened);
        const WeightArray back = ConvertWeights(kind, there, to, from, flattened);
        EXPECT_EQ(back.values, own.values) << Name(kind) << ' ' << Name(from) << ' ' << Name(to);
        EXPECT_EQ(back.shape, own.shape);
        EXPECT_EQ(there.values,
                  ConvertWeights(kind, Counted(shape), Framework::kNormkit, to, flattened).values);
      }
}

TEST(Conventions, WhatDoesNotFit) {
  const auto weights = [](WeightKind kind, const Shape& shape, const Shape& flattened = {}) {
    return ErrorOf([&] {
      ConvertWeights(kind, Counted(shape), Framework::kKeras, Framework::kPyTorch, flattened);
    });
  };
  EXPECT_EQ(weights(WeightKind::kConvolution, {2, 3}),
            "converting weights of 'convolution' from keras: shape is [2,3] with 6 values, "
            "expected 3 axes or more");
  EXPECT_EQ(weights(WeightKind::kConnection, {6, 2}, {2, 2, 2}),
            "converting weights of 'connection' from keras: shape is [6,2] with 12 values behind a "
            "flattened "
            "[2,2,2], expected as many inputs as height, width and channels make");
  EXPECT_EQ(weights(WeightKind::kConvolution, {1, 1, 2}, {1, 1, 2}),
            "converting weights of 'convolution' from keras: shape is [1,1,2] with 2 values behind "
            "a flattened "
            "[1,1,2], expected a connection, and height, width and channels");
  EXPECT_EQ(weights(WeightKind::kLstm, {2, 6}),
            "converting weights of 'lstm' from keras: shape is [2,6] with 12 values, expected as "
            "many units for each gate");
  EXPECT_EQ(ErrorOf([] { ConvertMomentum(1.5, Framework::kKeras, Framework::kOnnx); }),
            "converting momentum: 1.5 given, expected a number from 0 to 1");
  EXPECT_EQ(ErrorOf([] { ConvertVariance({}, 1, Framework::kKeras, Framework::kPyTorch); }),
            "converting running variances: count is 1, expected 2 or more values behind each");
  EXPECT_EQ(ErrorOf([] { ConvertEpsilon({}, {}, 0, 1); }),
            "converting epsilon: 0 to 1, expected more than 0");
}

}  // namespace
}  // namespace normkit
