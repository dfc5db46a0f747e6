// What the kernels offer to the operation: reduce, apply and the two of the backward pass.
#pragma once

#include "normkit/core/moments.h"
#include "normkit/norm/normalization.h"
#include "src/norm/plan.h"

namespace normkit {

// Everything about one normalization that does not change from call to call.
struct Problem {
  NormSpec spec;
  Layout layout;
  DType dtype;
  NormOptions options;
  Plan plan;  // kept x affine
};

// gamma and beta may be null: ones and zeros.
struct Parameters {
  const void* gamma;
  const void* beta;
};

// mean is zeros where the spec does not center.
struct Statistics {
  const double* mean;
  const double* rstd;
};

// Sums over the reduced axes, one of each a statistic: w and w * xhat with w = gamma * dy.
struct GradientSums {
  double* w;
  double* w_xhat;
};

namespace kernels {

// Overwrites `moments` (num_stat of them). Without centering mean is 0 and m2 the sum of squares.
void Reduce(const Problem& problem, const void* x, Moments* moments);

// y = activation(gamma * (x - mean) * rstd + beta)
void Apply(const Problem& problem, const void* x, const Parameters& parameters,
           const Statistics& statistics, void* y);

// Overwrites the sums.
void ReduceGradient(const Problem& problem, const Normalization::BackwardArgs& args,
                    const GradientSums& sums);

// dgamma and dbeta, each only where wanted.
void ReduceParameters(const Problem& problem, const Normalization::BackwardArgs& args);

// dx = rstd * (w - mean_w - xhat * mean_w_xhat); `means` has the sums divided by the count.
void ApplyGradient(const Problem& problem, const Normalization::BackwardArgs& args,
                   const GradientSums& means);

}  // namespace kernels
}  // namespace normkit
