// From moments to what the forward pass saves.
#pragma once

#include "src/norm/backend.h"
#include "src/norm/cpu/job.h"

namespace normkit::norm::cpu {

inline void FinishStatistic(const ForwardJob& job, int64_t stat, const Moments& moments) {
  if (moments.n == 0) return;  // an empty batch leaves everything alone
  const double variance = VarianceOf(moments, job.divisor);
  job.saved.mean[stat] = moments.mean;
  job.saved.rstd[stat] = RstdOf(variance, job.epsilon);
  if (job.saved.variance) job.saved.variance[stat] = variance;
}

}  // namespace normkit::norm::cpu
