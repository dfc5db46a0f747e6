// The forward pass over threads.
#pragma once

#include "src/core/scratch.h"
#include "src/norm/cpu/schedule.h"
#include "src/norm/cpu/tasks.h"

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

struct TaskMeanTag;
struct TaskRstdTag;

// Calls f(job) for a task with statistics [first, last): those that nobody wants are kept for it.
template <class F>
void WithStatistics(const ForwardJob& job, int64_t first, int64_t last, const F& f) {
  if (job.saved.mean && job.saved.rstd) return f(job);
  ForwardJob part = job;
  part.keeps_statistics = job.saved.mean || job.saved.rstd;
  const auto n = static_cast<size_t>(last - first);
  if (!part.saved.mean) part.saved.mean = Before(Scratch<TaskMeanTag, double>(n), first);
  if (!part.saved.rstd) part.saved.rstd = Before(Scratch<TaskRstdTag, double>(n), first);
  part.mean = part.saved.mean, part.rstd = part.saved.rstd;
  f(part);
}

// Coefficients of all cells or statistics.
void FillTable(const Job& job, const KernelTable& kernels, bool threads);

}  // namespace normkit::norm::cpu
