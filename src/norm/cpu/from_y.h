// The backward pass from what the forward pass wrote: xhat = (z - beta) / gamma with z =
// gamma * xhat + beta, which is y or, behind a leaky ReLU, found from y.
//
// The kernels of cell form read z as x and believe in a statistic a cell whose mean is beta; what
// they add up for xhat is divided by gamma, and so is what they are given to subtract for it.
// Nothing but coefficients differs from the backward pass from x.
#pragma once

#include "src/norm/cpu/job.h"
#include "src/norm/problem.h"

namespace normkit::norm::cpu {

// The geometry with a statistic a cell.
Geometry StatisticACell(const Geometry& geometry);

// Throws Error where neighbours differ in their scales: the kernels have no form for it.
void CheckFromY(const Problem& problem, const Geometry& geometry);

// Turns the job of a backward pass from x into one from y. `a_cell` is StatisticACell of
// `geometry`; `rstd_of` are those of its statistics, and job.means has room for as many as `a_cell`
// has.
void ReadFromY(const Problem& problem, const Geometry& geometry, const Geometry& a_cell,
               const InputArray& y, const double* rstd_of, BackwardJob& job);

// The sums of w and w * xhat of cells [first, last), all of some statistics, become those of the
// statistic of each, as the kernels take them.
void MergeCells(const BackwardJob& job, int64_t first, int64_t last);

}  // namespace normkit::norm::cpu
