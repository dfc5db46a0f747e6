// What libnormkit_mpi.so gives to the library that loads it (src/dist/reducer.cc).
#pragma once

#include "normkit/core/reducer.h"

// The version of normkit that it was built with, which has to be the loader's; a reducer over all
// processes of the job (Error where MPI fails); what MPI says of itself.
extern "C" {
[[gnu::visibility("default")]] const char* normkit_mpi_built_with();
[[gnu::visibility("default")]] normkit::Reducer* normkit_mpi_make_reducer();
[[gnu::visibility("default")]] const char* normkit_mpi_version();
}
