#include "normkit/core/random.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace normkit {
Random::Random(uint64_t seed, uint64_t stream)
    : engine_(Mix(seed + 0x9e3779b97f4a7c15u) ^ Mix(~stream * 0x9e3779b97f4a7c15u)) {}

double Random::Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

double Random::Uniform(double low, double high) { return low + (high - low) * Uniform(); }

double Random::Normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - Uniform()));  // 1 - u is never 0
  const double angle = 2 * std::numbers::pi * Uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

int64_t Random::Below(int64_t bound) {
  const auto range = static_cast<uint64_t>(bound);
  const uint64_t limit =
      ~uint64_t{0} - ~uint64_t{0} % range;  // values from limit on would favour small ones
  uint64_t bits;
  do bits = engine_();
  while (bits >= limit);
  return static_cast<int64_t>(bits % range);
}

void Random::Shuffle(std::span<int64_t> values) {
  for (auto i = static_cast<int64_t>(values.size()) - 1; i > 0; --i)
    std::swap(values[static_cast<size_t>(i)], values[static_cast<size_t>(Below(i + 1))]);
}

}  // namespace normkit
