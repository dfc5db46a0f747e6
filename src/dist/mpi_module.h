// MPI stands in a module of its own, libnormkit_mpi.so (mpi/), which is loaded when a reducer is
// asked for: a program that has no ranks never loads MPI.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "normkit/dist/reducer.h"
#include "src/core/at_work.h"

namespace normkit {

struct MpiModule {
  // nullptr: it is not there, or not to be used
  Reducer* (*make_reducer)(const MpiOptions& options, const WorkCounts& work) = nullptr;
  int (*ranks_here)() = nullptr;
  bool (*meet)(double seconds) = nullptr;
  bool (*speaks)() = nullptr;
  void (*abort)(int exit_code) = nullptr;
  std::string why_not;
};

// The first of these folders that has it decides.
MpiModule LoadMpiModule(const std::vector<std::filesystem::path>& folders);

}  // namespace normkit
