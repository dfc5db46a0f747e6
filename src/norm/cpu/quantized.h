// Forward passes whose y is written in 8 bits: y of the dtype goes to an array that stays in the
// cache, some statistics or runs at a time, and from there to where it is wanted.
#pragma once

#include "src/norm/cpu/kernels/table.h"
#include "src/norm/cpu/schedule.h"
#include "src/norm/quantize.h"

namespace normkit::norm::cpu {

// Where it goes.
struct QuantizedOutput {
  Quantizer to;
  void* y;
  float* scales;         // of kInt8PerStatistic
  size_t element_bytes;  // of the dtype
};

// Statistics of more elements are written by parts, after their statistics are known.
inline constexpr int64_t kMostQuantizedTogether = 1 << 16;
// Whether they are rows that are summed, then written while they are in the cache.
inline bool AreQuantizedRows(const Plan& plan, const Schedule& schedule) {
  return plan.StatisticsAreRuns() && schedule.path == Path::kFusedRows &&
         plan.num_reduced <= kMostQuantizedTogether;
}

// y of all elements, from mean and rstd; of the sum of x and a residual, which is computed on the
// way, if the job prepares it.
void ApplyQuantized(const ForwardJob& job, const KernelTable& kernels, bool threads,
                    const QuantizedOutput& output);
// The same with the statistics, of such rows; those that nobody wants are kept for a task.
void ForwardQuantized(const ForwardJob& job, const KernelTable& kernels, bool threads,
                      const QuantizedOutput& output);

}  // namespace normkit::norm::cpu
