#include "src/norm/cpu/exact_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace normkit::norm::cpu {
namespace {

// Each of these is beyond `kMost` roundings of f64 where rounding is not kept at every term.
constexpr int kTerms = 100000;
constexpr long double kMost = 2 * 0x1p-53L;

std::vector<double> Terms(double mean = 3) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(mean, 1);
  std::vector<double> terms(kTerms);
  for (double& term : terms) term = normal(random);
  return terms;
}

TEST(OrderedSum, OfManyTermsIsRoundedOnce) {
  OrderedSum sum(/*exact=*/true);
  long double all = 0;
  for (const double term : Terms()) sum.Add(term), all += term;
  EXPECT_LE(std::abs(sum.Get() - all), kMost * all);
}

TEST(OrderedSum, OfInfinityIsInfinite) {
  OrderedSum sum(/*exact=*/true);
  sum.Add(std::numeric_limits<double>::infinity());
  sum.Add(1);
  EXPECT_EQ(sum.Get(), std::numeric_limits<double>::infinity());
}

// Parts of one element: the mean and m2 of all by their definition.
void HoldMoments(const std::vector<double>& terms) {
  OrderedMoments moments(/*exact=*/true);
  long double sum = 0, m2 = 0;
  for (const double term : terms) moments.Merge({1, term, 0}), sum += term;
  const long double mean = sum / kTerms;
  for (const double term : terms) m2 += (term - mean) * (term - mean);
  EXPECT_EQ(moments.Get().n, kTerms);
  EXPECT_LE(std::abs(moments.Get().mean - mean), kMost * mean);
  EXPECT_LE(std::abs(moments.Get().m2 - m2), kMost * m2);
}

TEST(OrderedMoments, OfManyPartsAreRoundedOnce) { HoldMoments(Terms()); }

// What rounding took of the mean is many roundings of a deviation from it.
TEST(OrderedMoments, OfPartsFarFromZeroAreRoundedOnce) { HoldMoments(Terms(1e6)); }

}  // namespace
}  // namespace normkit::norm::cpu
