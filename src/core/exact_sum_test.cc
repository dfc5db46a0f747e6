// The bound that tests hold libraries' sums to: wide enough for any order, narrow enough to notice
// a product that is missing or rounded to 16 bits.
#include "normkit/core/dtype.h"
#include "normkit/core/random.h"
#include "src/core/exact_sum_testing.h"

namespace normkit {
namespace {

struct Terms {
  std::vector<float> a, b;
  ExactSum exact;
  Terms(size_t n, bool same_sign) : a(n), b(n) {
    Random random(1, n);
    for (size_t i = 0; i < n; ++i) {
      a[i] = static_cast<float>(random.Normal());
      b[i] = static_cast<float>(random.Normal());
      if (same_sign) a[i] = std::abs(a[i]), b[i] = std::abs(b[i]);
      exact.Add(a[i], b[i]);
    }
  }
  // By `lanes` sums side by side, added up one after the other.
  float Sum(size_t lanes, bool fused) const {
    std::vector<float> sums(lanes);
    for (size_t i = 0; i < a.size(); ++i) {
      float& sum = sums[i % lanes];
      sum = fused ? std::fma(a[i], b[i], sum) : sum + a[i] * b[i];
    }
    for (size_t i = 1; i < lanes; ++i) sums[0] += sums[i];
    return sums[0];
  }
};

constexpr size_t kLengths[] = {1, 2, 9, 27, 144, 1000};

TEST(ExactSumTest, EveryOrderIsWithinTheBound) {
  for (const size_t n : kLengths)
    for (const bool same_sign : {false, true}) {
      const Terms terms(n, same_sign);
      for (const size_t lanes : {1, 4, 8, 16})
        for (const bool fused : {false, true})
          EXPECT_NEAR(terms.Sum(lanes, fused), terms.exact.value, terms.exact.Bound())
              << n << " terms, " << lanes << " lanes, fused " << fused;
    }
}

TEST(ExactSumTest, AMissingProductIsNot) {
  for (const size_t n : kLengths) {
    const Terms terms(n, false);
    double largest = 0;
    for (size_t i = 0; i < n; ++i)
      largest = std::max(largest, static_cast<double>(std::abs(terms.a[i] * terms.b[i])));
    EXPECT_GT(largest, terms.exact.Bound()) << n;
  }
}

TEST(ExactSumTest, FactorsOf16BitsAreNot) {
  for (const size_t n : kLengths) {
    const Terms terms(n, true);
    double sum = 0;
    for (size_t i = 0; i < n; ++i)
      sum += static_cast<double>(ToFloat(ToBFloat16(terms.a[i]))) * terms.b[i];
    EXPECT_GT(std::abs(sum - terms.exact.value), terms.exact.Bound()) << n;
  }
}

}  // namespace
}  // namespace normkit
