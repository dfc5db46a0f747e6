// MPI stands in a module of its own, libnormkit_mpi.so (mpi/), which is loaded when a reducer is
// asked for: a program that has no ranks never loads MPI.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "normkit/core/reducer.h"

namespace normkit {

struct MpiModule {
  Reducer* (*make_reducer)() = nullptr;  // nullptr: it is not there, or not to be used
  std::string why_not;
};

// The first of these folders that has it decides.
MpiModule LoadMpiModule(const std::vector<std::filesystem::path>& folders);

}  // namespace normkit
