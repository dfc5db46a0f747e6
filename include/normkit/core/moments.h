// Moments of a set of numbers, and how the moments of two sets become those of their union.
#pragma once

namespace normkit {

// Count, mean and sum of squared deviations from the mean. The single joint between lanes, tiles,
// threads and ranks.
struct Moments {
  double n = 0, mean = 0, m2 = 0;

  // Chan, Golub, LeVeque (1979), eq. 2.1. Associative up to rounding; merging with an empty set is
  // exact.
  void Merge(const Moments& other) {
    if (other.n == 0) return;
    if (n == 0) {
      *this = other;
      return;
    }
    const double total = n + other.n, delta = other.mean - mean;
    mean += delta * (other.n / total);
    m2 += other.m2 + delta * delta * (n * (other.n / total));
    n = total;
  }
  double variance() const { return n > 0 ? m2 / n : 0; }  // divides by n
};

}  // namespace normkit
