// What the kernels offer to the operation: reduce, apply and the two of the backward pass.
#pragma once

#include "normkit/core/moments.h"
#include "normkit/norm/normalization.h"
#include "src/norm/geometry.h"

namespace normkit {

// Everything about one normalization that does not change from call to call.
struct Problem {
  NormSpec spec;
  Layout layout;
  DType dtype;
  NormOptions options;
  Geometry geometry;
};

// Sums over the reduced axes, one of each a statistic: w and w * xhat with w = gamma * dy.
struct GradientSums {
  double* w;
  double* w_xhat;
};

namespace kernels {

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
