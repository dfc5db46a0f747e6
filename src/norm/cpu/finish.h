// From moments to what the forward pass saves.
#pragma once

#include <cmath>

#include "src/norm/cpu/job.h"

namespace normkit {

inline void FinishStatistic(const Job& job, int64_t stat, const Moments& moments) {
  if (moments.n == 0) return;  // an empty batch leaves everything alone
  const double variance = moments.variance();
  job.mean[stat] = moments.mean;
  job.rstd[stat] = 1 / std::sqrt(variance + job.epsilon);
  if (job.variance) job.variance[stat] = variance;
}

}  // namespace normkit
