#include "normkit/data/augment.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "normkit/core/threads.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

Layout Pictures(int64_t height, int64_t width, int64_t channels) {
  return Layout::Make("BSSC", std::vector<int64_t>{1, height, width, channels});
}

std::vector<float> Ramp(size_t size) {
  std::vector<float> x(size);
  std::iota(x.begin(), x.end(), 0.f);
  return x;
}

std::vector<float> Augmented(const Augmentation& augmentation, const Layout& layout,
                             const std::vector<int64_t>& indices, std::vector<float> x,
                             int64_t epoch = 1, uint64_t seed = 1) {
  Augment(augmentation, layout, indices, seed, epoch, x);
  return x;
}

TEST(AugmentTest, NothingIsNothing) {
  const std::vector<float> x = Ramp(24);
  EXPECT_EQ(Augmented({}, Pictures(2, 3, 4), {5}, x), x);
}

TEST(AugmentTest, AMirroredPictureIsExact) {
  const auto x = Augmented({.flip = 1}, Pictures(2, 3, 2), {0}, Ramp(12));
  EXPECT_EQ(x, (std::vector<float>{4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7}));
  // Half of them where the chance is a half: 200 within four standard deviations.
  std::vector<int64_t> indices(400);
  std::iota(indices.begin(), indices.end(), 0);
  const auto many = Augmented({.flip = 0.5}, Pictures(1, 2, 1), indices, Ramp(800));
  int64_t mirrored = 0;
  for (size_t i = 0; i < 400; ++i) mirrored += many[2 * i] > many[2 * i + 1];
  EXPECT_NEAR(static_cast<double>(mirrored), 200, 40);
}

TEST(AugmentTest, WhatIsDrawnDependsOnSeedEpochAndObservation) {
  const Augmentation all{0.5, 0.2, 0.1, 0.1, 15, 0.3};
  const Layout layout = Pictures(12, 9, 3);
  const std::vector<float> x = Ramp(12 * 9 * 3);
  const auto first = Augmented(all, layout, {7}, x);
  EXPECT_EQ(Augmented(all, layout, {7}, x), first);
  EXPECT_NE(Augmented(all, layout, {8}, x), first);
  EXPECT_NE(Augmented(all, layout, {7}, x, 2), first);
  EXPECT_NE(Augmented(all, layout, {7}, x, 1, 2), first);
  // Nor on who stands beside it, or on threads.
  std::vector<float> two = x;
  two.insert(two.end(), x.begin(), x.end());
  for (const int threads : {1, 3}) {
    SetNumThreads(threads);
    const auto both = Augmented(all, layout, {3, 7}, two);
    EXPECT_EQ(std::vector<float>(both.begin() + std::ssize(x), both.end()), first);
  }
  SetNumThreads(0);
  for (const float value : first) EXPECT_TRUE(value >= 0 && value < 12 * 9 * 3);
}

// x of a picture whose pixels say where they are moves as the parts say.
TEST(AugmentTest, PlacesMoveAsMuchAsIsSaid) {
  constexpr int64_t kSide = 41;
  std::vector<float> columns(kSide * kSide);
  for (size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<float>(i % kSide);
  const auto middle = [&](const std::vector<float>& x) { return x[kSide * 20 + 20]; };
  const auto step = [&](const std::vector<float>& x) { return x[kSide * 20 + 21] - middle(x); };
  const Layout layout = Pictures(kSide, kSide, 1);
  double most_shift = 0, most_scale = 0, most_turn = 0;
  for (int64_t i = 0; i < 200; ++i) {
    most_shift = std::max<double>(
        most_shift, std::abs(middle(Augmented({.shift = 0.1}, layout, {i}, columns)) - 20));
    most_scale = std::max<double>(
        most_scale, std::abs(1 / step(Augmented({.scale = 0.2}, layout, {i}, columns)) - 1));
    most_turn = std::max<double>(
        most_turn, std::acos(std::min(1.f, step(Augmented({.rotate = 30}, layout, {i}, columns)))));
  }
  EXPECT_NEAR(most_shift, 4.1, 0.2);
  EXPECT_NEAR(most_scale, 0.2, 0.02);
  EXPECT_NEAR(most_turn, M_PI / 6, 0.05);
}

TEST(AugmentTest, ErasedRectanglesHaveTheMean) {
  const std::vector<float> x = Ramp(100);
  int64_t erased = 0;
  for (int64_t i = 0; i < 100; ++i) {
    const auto y = Augmented({.erase = 0.3}, Pictures(10, 10, 1), {i}, x);
    int64_t changed = 0;
    for (size_t p = 0; p < 100; ++p)
      if (y[p] != x[p]) {
        EXPECT_EQ(y[p], 49.5f);
        ++changed;
      }
    EXPECT_LE(changed, 9);
    erased += changed > 0;
  }
  EXPECT_NEAR(static_cast<double>(erased), 50, 20);  // four standard deviations
}

TEST(AugmentTest, OnlyPictures) {
  std::vector<float> x(3);
  const Layout features = Layout::Make("BC", std::vector<int64_t>{1, 3});
  const std::vector<int64_t> one{0};
  EXPECT_ERROR(Augment({.flip = 1}, features, one, 1, 1, x),
               "augmentation: observations are BC [1,3], expected pictures, BSSC");
}

}  // namespace
}  // namespace normkit
