// ParallelFor for tasks that may throw.
#pragma once

#include <exception>
#include <mutex>

#include "src/core/parallel.h"

namespace normkit {

// Calls task(i) for i in [0, count) on NumThreads() threads and then throws what the lowest i
// threw, whatever the number of threads.
template <class Task>
void ForEachOrThrow(int64_t count, bool worth_threads, const Task& task) {
  std::mutex mutex;
  std::exception_ptr error;
  int64_t failed = count;
  ParallelFor(count, worth_threads, [&](int64_t i) {
    try {
      task(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (i < failed) error = std::current_exception(), failed = i;
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace normkit
