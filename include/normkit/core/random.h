// Random numbers with the same bits on every machine and standard library.
#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "normkit/core/export.h"

namespace normkit {

// std::mt19937_64 (its output is fixed by the standard) with distributions of our own (those of the
// standard library differ between implementations). Streams of one seed are independent: work that
// is resumed or split asks for Random(seed, epoch) instead of carrying a state along.
class NORMKIT_API Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0);

  // The i-th of a sequence of bits that `key` decides, by SplitMix64 (Steele, Lea, Flood 2014): for
  // numbers that are drawn in any order, or by several.
  static uint64_t BitsAt(uint64_t key, uint64_t i) {
    return Mix(key + (i + 1) * 0x9e3779b97f4a7c15u);
  }
  // Neighbours become unrelated.
  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  uint64_t Bits() { return engine_(); }
  double Uniform();                         // in [0, 1), 53 bits
  double Uniform(double low, double high);  // in [low, high)
  double Normal();                          // mean 0, standard deviation 1 (Box-Muller)
  int64_t Below(int64_t bound);             // in [0, bound), unbiased; bound >= 1
  void Shuffle(std::span<int64_t> values);

 private:
  std::mt19937_64 engine_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace normkit
