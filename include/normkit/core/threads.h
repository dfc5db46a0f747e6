// How many threads normkit uses. One pool of its own serves all its work; oneDNN
// runs its primitives on the thread that calls.
#pragma once

#include "normkit/core/export.h"

namespace normkit {

// The number of threads of every later call; 0 restores the default (OMP_NUM_THREADS, else the
// processors this process may run on). Results have the same bits for any number.
NORMKIT_API void SetNumThreads(int threads);
NORMKIT_API int NumThreads();

}  // namespace normkit
