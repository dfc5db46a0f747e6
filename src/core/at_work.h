// Whether this process is in the middle of something that other ranks wait for: one that hangs
// there is told from one that does other things (src/dist/mpi).
#pragma once

#include <atomic>
#include <cstdint>

namespace normkit {

struct WorkCounts {
  std::atomic<uint64_t> begun = 0;
  std::atomic<int> under_way = 0;
};
inline WorkCounts work_counts;

// As long as it lives: iterations of a training, an operation of a network, an observation read.
class AtWork {
 public:
  AtWork() {
    work_counts.begun.fetch_add(1, std::memory_order_relaxed);
    work_counts.under_way.fetch_add(1, std::memory_order_relaxed);
  }
  ~AtWork() { work_counts.under_way.fetch_sub(1, std::memory_order_relaxed); }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;
};

// What may take as long as it likes, inside of one (else it hides one of another thread's): a
// function of the caller's, a file being written or a reader of what is printed.
class Elsewhere {
 public:
  Elsewhere() { work_counts.under_way.fetch_sub(1, std::memory_order_relaxed); }
  ~Elsewhere() { work_counts.under_way.fetch_add(1, std::memory_order_relaxed); }
  Elsewhere(const Elsewhere&) = delete;
  Elsewhere& operator=(const Elsewhere&) = delete;
};

}  // namespace normkit
