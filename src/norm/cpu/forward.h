// The forward pass over threads.
#pragma once

#include "src/norm/cpu/kernels/table.h"
#include "src/norm/cpu/schedule.h"

namespace normkit {

// All of what the job prepares.
void Prepare(const Job& job, const KernelTable& kernels, bool threads);

// Moments of every statistic on this rank.
void GatherMoments(const Job& job, const KernelTable& kernels, bool threads, Moments* moments);

// y from mean and rstd of the job.
void Apply(const Job& job, const KernelTable& kernels, bool threads);

// Both, unit by unit, for the two fused paths.
void ForwardFused(const Job& job, const KernelTable& kernels, const Schedule& schedule);

// How many coefficients job.table has to hold.
int64_t TableSize(const Geometry& geometry);

}  // namespace normkit
