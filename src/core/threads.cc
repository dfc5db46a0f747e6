#include "normkit/core/threads.h"

#include <omp.h>

#include <atomic>

#include "src/core/fail.h"

namespace normkit {
namespace {
std::atomic<int> chosen{0};
}

void SetNumThreads(int threads) {
  if (threads < 0 || threads > 1024)
    Fail("threads: {} given, expected 0 (default) to 1024", threads);
  chosen = threads;
}

int NumThreads() {
  const int threads = chosen;
  if (threads > 0) return threads;
  static const int fallback = omp_get_max_threads();
  return fallback;
}

}  // namespace normkit
