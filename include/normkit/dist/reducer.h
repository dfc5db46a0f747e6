// Statistics joined across the processes of an MPI job.
#pragma once

#include <atomic>
#include <memory>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/reducer.h"

namespace normkit {

// Whether a reducer can be made: MPI is a module of normkit's, libnormkit_mpi.so, which this loads
// from the folder of the library (of a program that holds the library: from ../lib).
NORMKIT_API bool MpiAvailable();

struct MpiOptions {
  // Seconds that another rank may give no sign of life (each has a thread that sends one a second,
  // however long the rank computes) before those that wait for it throw LostRanksError. 0: they
  // wait for ever, and there is no such thread. Needs an MPI that several threads may call.
  double patience = 0;
  // Seconds that another rank may give signs of life from the middle of its work (iterations of a
  // training, an operation of a network, an observation) and use no processor time: it hangs, in a
  // call of the system that does not come back. 0: for ever. Needs the patience above.
  double patience_with_idle = 0;
  // Where it is set, others are waited for no longer than a moment: the job is being ended.
  const std::atomic<bool>* stop = nullptr;
};

// A reducer over all processes of the job (MPI_COMM_WORLD, in a communicator of its own). Starts
// MPI where the caller has not, and then ends it when the process exits. A program that was not
// started by mpirun is a job of one process. Throws Error where MPI is not available, which says
// why, and the reducer's functions where MPI reports a failure. To be used from one thread.
NORMKIT_API std::unique_ptr<Reducer> MakeMpiReducer(const MpiOptions& options = {});

// How many processes of the job run on this machine. Starts MPI as MakeMpiReducer does.
NORMKIT_API int MpiRanksHere();

// Whether all processes of the job call this within so many seconds: those that fail alike can end
// in order. False where MPI has not been started.
NORMKIT_API bool MpiMeet(double seconds);

// Whether this process is to say why the job ends: no other has said that it does. Others then do
// not.
NORMKIT_API bool MpiSpeaks();

// Ends all processes of the job at once, those that wait for this one, too.
[[noreturn]] NORMKIT_API void MpiAbort(int exit_code);

}  // namespace normkit
