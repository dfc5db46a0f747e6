#include "normkit/version.h"

#include <mpi.h>

#include <string>

#include "src/dist/mpi/module.h"

const char* normkit_mpi_built_with() { return NORMKIT_VERSION; }

const char* normkit_mpi_version() {
  // "Open MPI v4.1.4, package: ...": the name, and what stands before the first comma.
  static const std::string version = [] {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(text, &length);
    const std::string all(text, static_cast<size_t>(length));
    return all.substr(0, all.find_first_of(",\n"));
  }();
  return version.c_str();
}
