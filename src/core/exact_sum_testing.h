// A sum in f64 and how far a library's f32 sum of the same terms may lie from it: for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace normkit {

// With u = 2^-24 and n terms, any order of additions, blocked or not, with or without fused
// multiply-adds, takes every term through at most n roundings:
//   |f32 sum - exact| <= ((1 + u)^n - 1) sum |a||b|
// (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). The bound grows with n
// only if all roundings go the same way. Those of many terms go both ways: sqrt(n) in place of n,
// times 4, is 7 standard deviations of errors that spread evenly over +-u (Higham and Mary, 2019).
// So min(n, 4 sqrt(n)) u sum |a||b|: no constant of the processor on which it was first met.
struct ExactSum {
  double value = 0, magnitude = 0;
  int64_t terms = 0;

  void Add(double a, double b = 1) {
    value += a * b;
    magnitude += std::abs(a * b);
    ++terms;
  }
  // `more` is for roundings that stand beside the sum's own: transforms, a division.
  double Bound(int64_t more = 0) const {
    const auto n = static_cast<double>(terms + more);
    return std::min(n, 4 * std::sqrt(n)) * 0x1p-24 * magnitude;
  }
};

inline void ExpectWithinBounds(const std::vector<float>& got, const std::vector<ExactSum>& exact,
                               const char* what, int64_t more = 0) {
  ASSERT_EQ(got.size(), exact.size()) << what;
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], exact[i].value, exact[i].Bound(more))
        << what << " " << i << ", a sum of " << exact[i].terms << " terms";
}

}  // namespace normkit
