// The one way work is spread over threads.
#pragma once

#include <cstdint>

#include "normkit/core/threads.h"

namespace normkit {

// The number of threads of all that this thread calls, until the end of a scope; 0: as before.
class WithThreads {
 public:
  explicit WithThreads(int threads);
  ~WithThreads();
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;

 private:
  int before_;
};

// Calls work(data) on `threads` threads, the calling one among them, and returns when all have
// ended: GOMP_parallel of OpenMP's libraries.
using RunTeam = void (*)(void (*work)(void* data), void* data, unsigned threads, unsigned flags);

// All that this thread calls runs on such threads instead of the pool's, until the end of a scope:
// those of a library whose operations stand before and behind, and whose threads would hold the
// processors for a while, waiting for the next. Null: the pool's.
class WithTeam {
 public:
  explicit WithTeam(RunTeam team);
  ~WithTeam();
  WithTeam(const WithTeam&) = delete;
  WithTeam& operator=(const WithTeam&) = delete;

 private:
  RunTeam before_;
};

// Whether this code runs inside a task of ParallelFor.
bool InParallel();

// Whether this thread has been asked so often, each time within the time that the pool's threads
// stay awake, that jobs which are not worth waking a thread for are worth sharing with one.
bool InQuickSuccession();

// call(task, i) for i in [0, count) on at most `threads` threads: this one, and those of a pool
// that are awake in time. A thread without a processor (other programs have them) is not waited for
// unless it is in the middle of a task.
void RunOnThreads(int64_t count, int threads, void (*call)(const void* task, int64_t i),
                  const void* task);

// Calls task(i) for i in [0, count), each exactly once, in any order, on at most NumThreads()
// threads. Results must not depend on which thread runs what: cut work by shape, merge in index
// order. `worth_threads` false (too little work to wake a thread for) or a call from inside another
// parallel region runs everything here. The first that a task throws is thrown here, when none runs
// any more.
template <class Task>
void ParallelFor(int64_t count, bool worth_threads, const Task& task) {
  const int threads = NumThreads();
  if (!worth_threads || count <= 1 || threads == 1 || InParallel()) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  RunOnThreads(
      count, threads, [](const void* t, int64_t i) { (*static_cast<const Task*>(t))(i); }, &task);
}

}  // namespace normkit
