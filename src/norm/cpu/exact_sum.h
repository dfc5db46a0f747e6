// Sums in f64 that keep what rounding takes: of thousands of terms it would be many times the
// rounding of the sum. Of f64 alone: beside the rounding of f32 it does not show.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "normkit/core/moments.h"

namespace normkit::norm::cpu {

// sum += value, and to `rest` what that rounds off.
inline void AddExactly(double value, double& sum, double& rest) {
  const double before = sum, all = before + value, added = all - before;
  rest += (before - (all - added)) + (value - added);
  sum = all;
}

// Of an infinite sum no rest is a number. Added in any case, so that compilers make vectors of it.
inline double WithRest(double sum, double rest) {
  const double all = sum + rest;
  return std::isnan(rest) ? sum : all;
}
// The same of n sums. Inlined, so that the vectors are those of the target that calls.
[[gnu::always_inline]] inline void AddRests(int64_t n, const double* __restrict rests,
                                            double* __restrict sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] = WithRest(sums[i], rests[i]);
}

inline void AddAll(int64_t n, const double* __restrict values, double* __restrict sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] += values[i];
}

// A sum of terms in order.
class OrderedSum {
 public:
  constexpr explicit OrderedSum(bool exact) : exact_(exact) {}
  void Add(double value) {
    if (exact_)
      AddExactly(value, sum_, rest_);
    else
      sum_ += value;
  }
  double Get() const { return exact_ ? WithRest(sum_, rest_) : sum_; }

 private:
  bool exact_;
  double sum_ = 0, rest_ = 0;
};

// What mean and m2 lack.
struct MomentsRest {
  double mean = 0, m2 = 0;
};

// As Moments::Merge, of a part that is `share` of both; `before` elements were there.
inline void MergeExactly(double part_mean, double part_m2, double before, double share,
                         double& mean, double& m2, MomentsRest& rest) {
  const double delta = (part_mean - mean) - rest.mean;
  AddExactly(delta * share + std::exchange(rest.mean, 0.0), mean, rest.mean);
  AddExactly(part_m2 + delta * delta * (before * share) + std::exchange(rest.m2, 0.0), m2, rest.m2);
}
inline void MergeExactly(const Moments& part, Moments& all, MomentsRest& rest) {
  if (part.n == 0 || all.n == 0) return all.Merge(part);
  const double total = all.n + part.n;
  MergeExactly(part.mean, part.m2, all.n, part.n / total, all.mean, all.m2, rest);
  all.n = total;
}

// Moments of parts, merged in order.
class OrderedMoments {
 public:
  constexpr explicit OrderedMoments(bool exact = false) : exact_(exact) {}
  void Merge(const Moments& part) {
    if (exact_)
      MergeExactly(part, all_, rest_);
    else
      all_.Merge(part);
  }
  const Moments& Get() const { return all_; }

 private:
  bool exact_;
  Moments all_;
  MomentsRest rest_;
};

}  // namespace normkit::norm::cpu
