// E[w] and E[w * xhat] of statistics: sums first, then divided by a count.
#pragma once

#include <algorithm>

#include "normkit/core/reducer.h"
#include "src/norm/cpu/job.h"

namespace normkit {

inline void ClearGradientMeans(const Job& job, int64_t first, int64_t last) {
  std::fill(job.mean_w + first, job.mean_w + last, 0.0);
  std::fill(job.mean_w_xhat + first, job.mean_w_xhat + last, 0.0);
}

inline void DivideByCount(const Job& job, int64_t first, int64_t last, double count) {
  for (int64_t s = first; s < last; ++s) {
    job.mean_w[s] = job.center ? job.mean_w[s] / count : 0;
    job.mean_w_xhat[s] /= count;
  }
}

// The sums of this rank as the means over all ranks.
inline void ShareGradientSums(const Job& job, Reducer* reducer) {
  const int64_t n = job.geometry->plan.num_stat;
  // mean_w, mean_w_xhat and the count lie one behind the other.
  double& count = job.mean_w[2 * n];
  count = static_cast<double>(job.geometry->plan.num_reduced);
  if (reducer) reducer->Sum({job.mean_w, static_cast<size_t>(2 * n + 1)});
  DivideByCount(job, 0, n, count);
}

}  // namespace normkit
