// What stands in for the count where x - mean is not divided by its deviation.
#pragma once

#include <limits>

#include "normkit/core/moments.h"
#include "normkit/norm/spec.h"

namespace normkit {

// What sums of `count` squares are divided by to be what epsilon is added to, and sums of w xhat
// for dx. Infinity makes them 0.
inline double SquaresDivisor(NormDivisor divisor, double count) {
  if (divisor == NormDivisor::kNone) return std::numeric_limits<double>::infinity();
  return divisor == NormDivisor::kNorm ? 1 : count;
}

// What is saved as the variance.
inline double VarianceOf(const Moments& moments, NormDivisor divisor) {
  return moments.n > 0 ? moments.m2 / SquaresDivisor(divisor, moments.n) : 0;
}

}  // namespace normkit
