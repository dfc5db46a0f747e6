// A module of another version of normkit.
#include "src/dist/mpi/module.h"

const char* normkit_mpi_version() { return "0.0.0"; }

normkit::Reducer* normkit_mpi_make_reducer(const normkit::MpiOptions&, const normkit::WorkCounts&) {
  return nullptr;
}
