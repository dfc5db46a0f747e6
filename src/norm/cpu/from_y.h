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
// `geometry`, and job.means has room for as many statistics as it has; or, where those are made
// `some_at_a_time`, job.rstd and job.means stay those of the statistics (WithCells).
void ReadFromY(const Problem& problem, const Geometry& geometry, const Geometry& a_cell,
               const InputArray& y, bool some_at_a_time, BackwardJob& job);

inline bool MakesCells(const BackwardJob& job) { return job.statistics && !job.mean; }
// With mean and rstd of cells [first, last), the thread's until its next.
BackwardJob OfCells(const BackwardJob& job, int64_t first, int64_t last);
// Of such a job: what passes back through those cells, from job.means, the sums of all statistics.
BackwardJob ThroughCells(const BackwardJob& job, int64_t first, int64_t last);

// Calls f(job), with what is made for those cells of a job that makes them some at a time.
template <class F>
void WithCells(const BackwardJob& job, int64_t first, int64_t last, const F& f) {
  MakesCells(job) ? f(OfCells(job, first, last)) : f(job);
}
template <class F>
void WithCells(const ForwardJob& job, int64_t, int64_t, const F& f) {
  f(job);
}

// The sums of w and w * xhat of cells [first, last), all of some statistics, become those of the
// statistic of each, as the kernels take them.
void MergeCells(const BackwardJob& job, int64_t first, int64_t last);

}  // namespace normkit::norm::cpu
