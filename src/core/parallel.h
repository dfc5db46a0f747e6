// The one way work is spread over threads.
#pragma once

#include <omp.h>

#include <cstdint>

#include "normkit/core/threads.h"

namespace normkit {

// Calls task(i) for i in [0, count), each exactly once, in any order, on at most NumThreads()
// threads. Results must not depend on which thread runs what: cut work by shape, merge in index
// order. `worth_threads` false (too little work to wake a thread for) or a call from inside another
// parallel region runs everything here. Tasks must not throw.
template <class Task>
void ParallelFor(int64_t count, bool worth_threads, const Task& task) {
  const int threads = NumThreads();
  if (!worth_threads || count <= 1 || threads == 1 || omp_in_parallel()) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) task(i);
}

}  // namespace normkit
