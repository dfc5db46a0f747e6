#include "normkit/norm/normalization.h"
#include "src/core/fail.h"

namespace normkit {

template <class T>
void UpdateRunning(std::span<const double> mean, std::span<const double> variance, int64_t count,
                   double mean_decay, double variance_decay, RunningDivisor divisor,
                   std::span<T> running_mean, std::span<T> running_variance) {
  if (mean.size() != running_mean.size() || variance.size() != running_variance.size())
    Fail("running statistics: {} means and {} variances given, expected {} and {}", mean.size(),
         variance.size(), running_mean.size(), running_variance.size());
  for (const auto& [name, decay] : {std::pair{"mean", mean_decay}, {"variance", variance_decay}})
    if (!(decay >= 0 && decay <= 1))
      Fail("running statistics: {} decay is {}, expected 0 to 1", name, decay);
  if (count <= 0) return;
  const auto blend = [](T& running, double value, double decay) {
    running = static_cast<T>((1 - decay) * static_cast<double>(running) + decay * value);
  };
  for (size_t i = 0; i < mean.size(); ++i) blend(running_mean[i], mean[i], mean_decay);
  // One value has no spread: its variance of 0 says nothing.
  if (count == 1) return;
  const auto n = static_cast<double>(count);
  const double factor = divisor == RunningDivisor::kCount ? 1 : n / (n - 1);
  for (size_t i = 0; i < variance.size(); ++i)
    blend(running_variance[i], variance[i] * factor, variance_decay);
}

template void UpdateRunning<float>(std::span<const double>, std::span<const double>, int64_t,
                                   double, double, RunningDivisor, std::span<float>,
                                   std::span<float>);
template void UpdateRunning<double>(std::span<const double>, std::span<const double>, int64_t,
                                    double, double, RunningDivisor, std::span<double>,
                                    std::span<double>);

}  // namespace normkit
