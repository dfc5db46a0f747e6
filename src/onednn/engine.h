// What the files that use oneDNN share. Included by nothing outside this folder.
#pragma once

#include <omp.h>

#include <dnnl.hpp>

#include "normkit/core/threads.h"
#include "src/core/fail.h"
#include "src/core/signals.h"

namespace normkit {

dnnl::engine& CpuEngine();

// oneDNN decides by the number of threads how it splits a sum, so everything of it is made and run
// inside this scope, where it believes there is one. Our own ParallelFor spreads the work.
class OneThread {
 public:
  OneThread() : before_((NumThreads(), omp_get_max_threads())) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;  // NumThreads() first: its default is taken from OpenMP's at the first call
};

// A call that this thread makes, in pieces on any threads. Remembers that one failed; Check throws
// on this thread. Until it ends no handler of a signal runs here, nor ever on the pool's threads:
// the product of matrices takes its stack from the heap, and the frame of a handler, put in front
// of a stack without room for it, overwrote what lay there.
class OneDnnCall {
 public:
  void Note(dnnl_status_t status) {
    if (status != dnnl_success)
#pragma omp atomic write
      failed_ = static_cast<int>(status);
  }
  void Check(const char* what) const {
    if (failed_) Fail("oneDNN: {} failed with status {}", what, failed_);
  }

 private:
  const SignalsHeld held_;
  int failed_ = 0;
};

}  // namespace normkit
