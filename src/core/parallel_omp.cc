#include <omp.h>

#include "src/core/parallel.h"

namespace normkit {

bool InParallel() { return omp_in_parallel(); }

void RunOnThreads(int64_t count, int threads, void (*call)(const void* task, int64_t i),
                  const void* task) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) call(task, i);
}

}  // namespace normkit
