// The backward pass over threads.
#pragma once

#include "normkit/core/reducer.h"
#include "src/norm/cpu/table.h"
#include "src/norm/schedule.h"

namespace normkit {

// Where the gradients of the parameters go, in f64; never null.
struct ParameterSums {
  double* dgamma;
  double* dbeta;
};

// How a backward pass of this geometry is done.
enum class BackwardPath {
  kCells,  // sums over cells, folded into those of statistics and parameters
  kRows,   // unit by unit, the parameters' sums on the way
  kWalk,   // element by element, in f64
};
BackwardPath BackwardPathOf(const Geometry& geometry);

// dx (where wanted) and the sums of the parameters.
void BackwardCells(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                   Reducer* reducer, const ParameterSums& parameters);
void BackwardRows(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                  const ParameterSums& parameters);

}  // namespace normkit
