// The backward pass over threads.
#pragma once

#include <functional>

#include "normkit/core/reducer.h"
#include "src/norm/cpu/kernels/table.h"
#include "src/norm/cpu/schedule.h"

namespace normkit::norm::cpu {

// dx (where wanted) and the sums of the parameters: cell form (sums over cells, folded into those
// of statistics and parameters), and element form (backward_elements.cc).
void BackwardCells(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                   Reducer* reducer, const ParameterSums& parameters);
void BackwardElements(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                      Reducer* reducer, const ParameterSums& parameters);

// Takes the sums of n parameters, from the `first` on.
using SumsTo =
    std::function<void(int64_t first, int64_t n, const double* dgamma, const double* dbeta)>;

// Many parameters in element form, whose sums are known slice by slice, while they are in the
// cache: long rows, elements of observations, channels of each observation. Whether they are such.
bool BackwardSlices(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                    Reducer* reducer, const SumsTo& to);

// For tests: all shapes that have slices are taken by those of so many parameters; 0: as is chosen.
// What was wanted before.
int64_t WantSlicesOf(int64_t parameters);
int64_t WantedSlices();

// Cell form by strips (Path::kFusedStrips), which have the sums of their parameters to themselves.
void BackwardStrips(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                    const SumsTo& to);

// Cell form of very many cells, whose sums are kept for some parameters at a time; of so many; 0
// where that does not suit. job.cells are not read.
int64_t ParametersOfPiece(const Geometry& g, const Schedule& schedule);
void BackwardPieces(const BackwardJob& job, const KernelTable& kernels, const Schedule& schedule,
                    Reducer* reducer, const SumsTo& to);

// The same in two halves: sums of w and w * xhat into job.means, those of the parameters; dx from
// job.means, means by then (element form: adds what it meets to `parameters`, too).
void SumCells(const BackwardJob& job, const KernelTable& kernels, bool threads,
              const ParameterSums& parameters);
void SumElements(const BackwardJob& job, const KernelTable& kernels, bool threads,
                 const ParameterSums& parameters);
void ApplyCells(const BackwardJob& job, const KernelTable& kernels, bool threads);
void ApplyElements(const BackwardJob& job, const KernelTable& kernels, bool threads,
                   const ParameterSums& parameters);

// Adds sums of cells [first, last), with which `cells` begin, to those of their parameters, in
// order.
void AddCells(const Geometry& g, bool threads, int64_t first, int64_t last, const CellSums& cells,
              const ParameterSums& to);

// All that the job prepares.
void PrepareGradient(const BackwardJob& job, const KernelTable& kernels, bool threads);

// E[w] and E[w * xhat] over all ranks, from the sums of w and w * xhat of this one.
void ShareMeans(const BackwardJob& job, Reducer* reducer);

}  // namespace normkit::norm::cpu
