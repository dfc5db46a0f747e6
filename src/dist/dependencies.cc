#include "src/dist/dependencies.h"

#include <fmt/format.h>
#include <mpi.h>

namespace normkit {
namespace {

// Of its headers: to ask the library would load it.
std::string MpiVersion() {
#if defined(OPEN_MPI)
  return fmt::format("Open MPI {}.{}.{}", OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION,
                     OMPI_RELEASE_VERSION);
#elif defined(MPICH_VERSION)
  return "MPICH " MPICH_VERSION;
#else
  return fmt::format("{}.{}", MPI_VERSION, MPI_SUBVERSION);
#endif
}

}  // namespace

std::vector<Dependency> DistDependencies() { return {{"MPI", MpiVersion(), "BSD-3-Clause"}}; }

}  // namespace normkit
