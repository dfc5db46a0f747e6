// The forward pass over threads.
#pragma once

#include "src/norm/cpu/kernels/table.h"
#include "src/norm/cpu/schedule.h"

namespace normkit::norm::cpu {

// All of what the job prepares.
void Prepare(const ForwardJob& job, const KernelTable& kernels, bool threads);

// Moments of every statistic on this rank.
void GatherMoments(const ForwardJob& job, const KernelTable& kernels, bool threads,
                   Moments* moments);
// What is saved of them.
void FinishStatistics(const ForwardJob& job, const KernelTable& kernels, bool threads,
                      const Moments* moments);

// y from mean and rstd of the job.
void Apply(const ForwardJob& job, const KernelTable& kernels, bool threads);

// Whether runs are rows that share all parameters, these are finite, nothing is behind them, and y
// goes past the caches: of bf16 (ForwardJob::finite_parameters).
bool SharesFiniteParameters(const ForwardJob& job, const Schedule& schedule);

// Both, unit by unit or strip by strip, for the fused paths.
void ForwardFused(const ForwardJob& job, const KernelTable& kernels, const Schedule& schedule);

// Coefficients of all cells or statistics.
void FillTable(const Job& job, const KernelTable& kernels, bool threads);

}  // namespace normkit::norm::cpu
