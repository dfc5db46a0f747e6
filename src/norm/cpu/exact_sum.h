// Sums in f64 that keep what rounding takes: of thousands of terms it would be many times the
// rounding of the sum.
#pragma once

namespace normkit::norm::cpu {

// sum += value, and to `rest` what that rounds off.
inline void AddExactly(double value, double& sum, double& rest) {
  const double before = sum, all = before + value, added = all - before;
  rest += (before - (all - added)) + (value - added);
  sum = all;
}

}  // namespace normkit::norm::cpu
