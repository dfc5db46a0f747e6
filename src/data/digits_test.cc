#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "normkit/core/error.h"
#include "normkit/core/threads.h"
#include "normkit/data/source.h"
#include "src/core/testing.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

TEST(DigitsTest, AreLabelledGreyPictures) {
  const DataPtr digits = GenerateDigits(2000, 7);
  EXPECT_EQ(digits->size(), 2000);
  EXPECT_EQ(digits->layout().ToString(), "BSSC [1,28,28,1]");
  EXPECT_EQ(digits->classes().size(), 10u);
  EXPECT_EQ(digits->Description(), "digits (2000 generated, seed 7)");
  std::array<int, 10> counts{};
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < digits->size(); ++i) {
    ++counts[static_cast<size_t>(digits->label(i))];
    for (float grey : ReadOne(*digits, i)) {
      ASSERT_GE(grey, 0);
      ASSERT_LE(grey, 255);
      ASSERT_EQ(grey, static_cast<float>(static_cast<int>(grey)));
      sum += grey;
      squares += grey * grey;
    }
  }
  for (int count : counts) EXPECT_NEAR(count, 200, 60);
  const double n = 2000 * 784, mean = sum / n;
  EXPECT_NEAR(mean, 62, 6);
  EXPECT_NEAR(squares / n - mean * mean, 2200, 500);
}

TEST(DigitsTest, AnObservationDependsOnSeedAndIndexOnly) {
  const DataPtr few = GenerateDigits(10, 3), many = GenerateDigits(1000, 3),
                drawn = GenerateDigits(1'000'000, 3), other = GenerateDigits(10, 4);
  for (int64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(ReadOne(*few, i), ReadOne(*many, i));
    EXPECT_EQ(ReadOne(*few, i), ReadOne(*drawn, i));
    EXPECT_EQ(few->label(i), drawn->label(i));
    EXPECT_NE(ReadOne(*few, i), ReadOne(*other, i));
    EXPECT_NE(ReadOne(*few, i), ReadOne(*few, (i + 1) % 10));
  }
}

// The embedded data set is the same on every machine: results in the documentation can be repeated.
TEST(DigitsTest, BytesAreFixed) {
  const DataPtr digits = GenerateDigits(500, 1);
  uint64_t hash = 14695981039346656037u;
  for (int64_t i = 0; i < digits->size(); ++i) {
    hash = (hash ^ static_cast<uint64_t>(digits->label(i))) * 1099511628211u;
    for (float grey : ReadOne(*digits, i))
      hash = (hash ^ static_cast<uint64_t>(grey)) * 1099511628211u;
  }
  EXPECT_EQ(hash, 2876381145648657401u);
}

TEST(DigitsTest, ThreadsDoNotMatter) {
  SetNumThreads(1);
  const DataPtr one = GenerateDigits(300, 5);
  SetNumThreads(3);
  const DataPtr three = GenerateDigits(300, 5);
  SetNumThreads(0);
  for (int64_t i = 0; i < 300; ++i) ASSERT_EQ(ReadOne(*one, i), ReadOne(*three, i));
}

TEST(DigitsTest, CountIsChecked) {
  EXPECT_ERROR(GenerateDigits(0, 1), "digits: 0 are asked for, expected 1 to 100000000");
  EXPECT_ERROR(GenerateDigits(100'000'001, 1),
               "digits: 100000001 are asked for, expected 1 to 100000000");
}

}  // namespace
}  // namespace normkit
