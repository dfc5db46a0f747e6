// Statistics joined across the processes of an MPI job.
#pragma once

#include <memory>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/reducer.h"

namespace normkit {

// Whether a reducer can be made: MPI is a module of normkit's, libnormkit_mpi.so, which this loads
// from the folder of the library (of a program that holds the library: from ../lib).
NORMKIT_API bool MpiAvailable();

// A reducer over all processes of the job (MPI_COMM_WORLD, in a communicator of its own). Starts
// MPI where the caller has not, and then ends it when the process exits. A program that was not
// started by mpirun is a job of one process. Throws Error where MPI is not available, which says
// why, and the reducer's functions where MPI reports a failure. To be used from one thread.
NORMKIT_API std::unique_ptr<Reducer> MakeMpiReducer();

}  // namespace normkit
