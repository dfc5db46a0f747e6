// What libnormkit_mpi.so gives to the library that loads it (src/dist/mpi_module.cc).
#pragma once

#include "normkit/core/reducer.h"

extern "C" {
// Of normkit: has to be the loader's, since classes of C++ go across.
[[gnu::visibility("default")]] const char* normkit_mpi_version();
// See MakeMpiReducer; the caller owns it.
[[gnu::visibility("default")]] normkit::Reducer* normkit_mpi_make_reducer();
}
