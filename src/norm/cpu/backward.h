// The backward pass over threads.
#pragma once

#include "normkit/core/reducer.h"
#include "src/norm/cpu/kernels/table.h"
#include "src/norm/cpu/schedule.h"

namespace normkit {

// Where the gradients of the parameters go, in f64; never null.
struct ParameterSums {
  double* dgamma;
  double* dbeta;
};

// dx (where wanted) and the sums of the parameters: cell form (sums over cells, folded into those
// of statistics and parameters), and element form (backward_elements.cc).
void BackwardCells(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                   Reducer* reducer, const ParameterSums& parameters);
void BackwardElements(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                      Reducer* reducer, const ParameterSums& parameters);

}  // namespace normkit
