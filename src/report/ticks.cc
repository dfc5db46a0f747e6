#include "src/report/ticks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace normkit {
namespace {

// The number of decimals that tells multiples of `step` apart.
std::string FixedLabel(double value, double step) {
  const double largest = std::abs(value);
  if (largest != 0 && (largest >= 1e6 || step < 1e-5)) return fmt::format("{:.3g}", value);
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  std::string label = fmt::format("{:.{}f}", value, decimals);
  return label == fmt::format("-{:.{}f}", 0.0, decimals) ? label.substr(1) : label;
}

// 1, 2 or 5 times a power of ten, at least `rough`.
double RoundStep(double rough) {
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

}  // namespace

Ticks LinearTicks(double low, double high, int count, bool extend, bool whole) {
  if (!(low < high)) {
    // One value: room on both sides of it.
    const double room = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= room;
    high += room;
  }
  double step = RoundStep((high - low) / count);
  if (whole) step = std::max(step, 1.0);
  Ticks ticks{.low = low, .high = high};
  const double slack = 1e-9;
  if (extend) {
    ticks.low = std::floor(low / step + slack) * step;
    ticks.high = std::ceil(high / step - slack) * step;
  }
  const double first = std::ceil(ticks.low / step - slack);
  const double last = std::floor(ticks.high / step + slack);
  for (double i = first; i <= last; ++i) {
    ticks.values.push_back(i * step);
    ticks.labels.push_back(FixedLabel(i * step, step));
  }
  return ticks;
}

Ticks LogTicks(double low, double high, int count) {
  if (!(low < high)) low /= 2, high *= 2;
  Ticks ticks{.low = low, .high = high};
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const auto collect = [&](std::initializer_list<double> factors, int every) {
    ticks.values.clear();
    for (int power = first; power <= last; ++power)
      for (const double factor : factors) {
        const double value = factor * std::pow(10, power);
        if (power % every == 0 && value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
          ticks.values.push_back(value);
      }
    return static_cast<int>(ticks.values.size());
  };
  if (collect({1, 2, 5}, 1) > count)
    for (int every = 1; collect({1}, every) > count; ++every) {
    }
  if (ticks.values.size() < 2) {
    const Ticks linear = LinearTicks(low, high, count, false, false);
    ticks.values = linear.values;
  }
  for (const double value : ticks.values) ticks.labels.push_back(fmt::format("{:.3g}", value));
  return ticks;
}

}  // namespace normkit
