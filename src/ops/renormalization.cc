#include "src/ops/renormalization.h"

#include <algorithm>
#include <cmath>

namespace normkit::ops {

Renormalization Renormalization::At(uint64_t iteration) const {
  if (warm_up == 0 || iteration >= static_cast<uint64_t>(warm_up)) return *this;
  const double part = static_cast<double>(iteration) / static_cast<double>(warm_up);
  return {1 + (scale - 1) * part, shift * part};
}

void Correct(const Renormalization& limits, const double* mean, const double* rstd,
             const float* trained_mean, const float* trained_variance, double epsilon,
             const Corrections& to) {
  for (size_t c = 0; c < to.r.size(); ++c) {
    const double sigma = std::sqrt(trained_variance[c] + epsilon);
    to.r[c] = std::clamp(1 / (rstd[c] * sigma), 1 / limits.scale, limits.scale);
    to.d[c] = std::clamp((mean[c] - trained_mean[c]) / sigma, -limits.shift, limits.shift);
  }
}

void CorrectParameters(const Corrections& by, const float* gamma, const float* beta,
                       float* corrected_gamma, float* corrected_beta) {
  for (size_t c = 0; c < by.r.size(); ++c) {
    const double g = gamma ? gamma[c] : 1;
    corrected_gamma[c] = static_cast<float>(g * by.r[c]);
    corrected_beta[c] = static_cast<float>(g * by.d[c] + (beta ? beta[c] : 0));
  }
}

void CorrectGradient(const Corrections& by, const float* dbeta, float* dgamma) {
  for (size_t c = 0; c < by.r.size(); ++c)
    dgamma[c] = static_cast<float>(by.r[c] * dgamma[c] + by.d[c] * dbeta[c]);
}

}  // namespace normkit::ops
