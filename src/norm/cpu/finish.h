// From moments to what the forward pass saves.
#pragma once

#include <cmath>
#include <limits>

#include "src/norm/cpu/job.h"

namespace normkit::norm::cpu {

inline void FinishStatistic(const ForwardJob& job, int64_t stat, const Moments& moments) {
  if (moments.n == 0) return;  // an empty batch leaves everything alone
  const double variance = moments.variance();
  job.saved.mean[stat] = moments.mean;
  // A variance beyond f64 must not look like one that makes everything beta.
  job.saved.rstd[stat] = std::isfinite(variance) ? 1 / std::sqrt(variance + job.epsilon)
                                                 : std::numeric_limits<double>::quiet_NaN();
  if (job.saved.variance) job.saved.variance[stat] = variance;
}

}  // namespace normkit::norm::cpu
