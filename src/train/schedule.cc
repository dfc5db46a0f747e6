#include "src/train/schedule.h"

#include <cmath>
#include <numbers>

namespace normkit {

double LearnRate(const TrainingOptions& options, int64_t epoch, int64_t iteration,
                 int64_t total_iterations) {
  const double initial = options.initial_learn_rate;
  switch (options.learn_rate_schedule) {
    case Schedule::kNone:
      break;
    case Schedule::kPiecewise: {
      const auto drops = static_cast<double>((epoch - 1) / options.learn_rate_drop_period);
      return initial * std::pow(options.learn_rate_drop_factor, drops);
    }
    case Schedule::kCosine: {
      const double done =
          static_cast<double>(iteration - 1) / static_cast<double>(total_iterations);
      return initial / 2 * (1 + std::cos(std::numbers::pi * done));
    }
  }
  return initial;
}

}  // namespace normkit
