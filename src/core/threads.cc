#include "normkit/core/threads.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "src/core/cpu_quota.h"
#include "src/core/fail.h"

namespace normkit {
namespace {
std::atomic<int> chosen{0};

// What OpenMP says: the processors this process may run on, or OMP_NUM_THREADS; of the first no
// more than a container's quota pays for.
int DefaultThreads() {
  const int threads = omp_get_max_threads();
  return std::getenv("OMP_NUM_THREADS") ? threads : std::min(threads, CpuQuota().value_or(threads));
}
}  // namespace

void SetNumThreads(int threads) {
  if (threads < 0 || threads > 1024)
    Fail("threads: {} given, expected 0 (default) to 1024", threads);
  chosen = threads;
}

int NumThreads() {
  const int threads = chosen;
  if (threads > 0) return threads;
  static const int fallback = DefaultThreads();
  return fallback;
}

}  // namespace normkit
