#include <atomic>
#include <thread>
#include <vector>

#include "src/core/parallel.h"

namespace normkit {
namespace {
thread_local bool in_parallel = false;
}

bool InParallel() { return in_parallel; }

void RunOnThreads(int64_t count, int threads, void (*call)(const void* task, int64_t i),
                  const void* task) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    in_parallel = true;
    for (int64_t i = next++; i < count; i = next++) call(task, i);
    in_parallel = false;
  };
  std::vector<std::jthread> others;
  for (int t = 1; t < threads && t < count; ++t) others.emplace_back(work);
  work();
}

}  // namespace normkit
