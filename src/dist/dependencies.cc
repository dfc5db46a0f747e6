#include "src/dist/dependencies.h"

#include <mpi.h>

namespace normkit {

std::vector<Dependency> DistDependencies() {
  // "Open MPI v4.1.4, package: ...": the name, and what stands before the first comma.
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text, static_cast<size_t>(length));
  return {{"MPI", version.substr(0, version.find_first_of(",\n")), "BSD-3-Clause"}};
}

}  // namespace normkit
