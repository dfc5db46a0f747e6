// Where MPI is absent: CMake chooses this file instead of mpi_reducer.cc.

#include "normkit/dist/reducer.h"
#include "src/core/fail.h"

namespace normkit {

bool MpiAvailable() { return false; }

std::unique_ptr<Reducer> MakeMpiReducer() {
  Fail("MPI: this build of normkit holds no MPI back-end; install an MPI library and build again");
}

}  // namespace normkit
