// What libnormkit_mpi.so gives to the library that loads it (src/dist/mpi_module.cc).
#pragma once

#include "normkit/dist/reducer.h"
#include "src/core/at_work.h"

extern "C" {
// Of normkit: has to be the loader's, since classes of C++ go across.
[[gnu::visibility("default")]] const char* normkit_mpi_version();
// See the functions of normkit/dist/reducer.h; the caller owns the reducer, the loader `work`.
[[gnu::visibility("default")]] normkit::Reducer* normkit_mpi_make_reducer(
    const normkit::MpiOptions& options, const normkit::WorkCounts& work);
[[gnu::visibility("default")]] int normkit_mpi_ranks_here();
[[gnu::visibility("default")]] bool normkit_mpi_meet(double seconds);
[[gnu::visibility("default")]] bool normkit_mpi_speaks();
[[gnu::visibility("default")]] void normkit_mpi_abort(int exit_code);
}
