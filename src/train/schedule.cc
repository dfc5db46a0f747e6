#include <algorithm>
#include <cmath>
#include <numbers>

#include "normkit/train/optimizer.h"

namespace normkit {
namespace {

// Iterations `done` before this one of the `total` of a schedule.
double RateOf(Schedule schedule, const TrainingOptions& options, int64_t done, int64_t total,
              int64_t per_epoch) {
  const double initial = options.initial_learn_rate, factor = options.learn_rate_drop_factor;
  const int64_t period = options.learn_rate_drop_period;
  const double part = static_cast<double>(done) / static_cast<double>(std::max<int64_t>(total, 1));
  // Periods, in f64: of epochs and iterations a product may not fit.
  const double periods =
      static_cast<double>(done) / static_cast<double>(per_epoch) / static_cast<double>(period);
  switch (schedule) {
    case Schedule::kNone:
      break;
    case Schedule::kPiecewise:
      return initial * std::pow(factor, static_cast<double>(done / per_epoch / period));
    case Schedule::kCosine:
      return initial / 2 * (1 + std::cos(std::numbers::pi * part));
    case Schedule::kExponential:
      return initial * std::pow(factor, periods);
    case Schedule::kPolynomial:
      return initial * std::pow(1 - part, options.learn_rate_power);
    case Schedule::kCyclical: {
      const double place = periods - std::floor(periods);
      return initial * (factor + (1 - factor) * (1 - std::abs(2 * place - 1)));
    }
  }
  return initial;
}

}  // namespace

double LearnRate(const TrainingOptions& options, int64_t iteration, int64_t per_epoch) {
  if (options.learn_rate_function)
    return options.learn_rate_function((iteration - 1) / per_epoch + 1, iteration);
  const int64_t warmup = options.learn_rate_warmup;
  if (iteration <= warmup)
    return options.initial_learn_rate * static_cast<double>(iteration) /
           static_cast<double>(warmup + 1);
  int64_t done = iteration - 1 - warmup, total = options.max_epochs * per_epoch - warmup;
  const std::vector<ScheduleStretch>& chain = options.learn_rate_chain;
  for (size_t i = 0; i < chain.size(); ++i) {
    const int64_t length = chain[i].epochs * per_epoch;
    if (i + 1 == chain.size() || done < length)
      return RateOf(chain[i].schedule, options, done, i + 1 == chain.size() ? total : length,
                    per_epoch);
    done -= length;
    total -= length;
  }
  return RateOf(options.learn_rate_schedule, options, done, total, per_epoch);
}

}  // namespace normkit
