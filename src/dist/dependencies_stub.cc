// Where MPI is absent: CMake chooses this file instead of dependencies.cc.

#include "src/dist/dependencies.h"

namespace normkit {

std::vector<Dependency> DistDependencies() { return {}; }

}  // namespace normkit
