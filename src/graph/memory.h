// One arena for all that a pass over a network needs, placed by liveness.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "normkit/graph/graph.h"

namespace normkit {

// Bytes of memory that this machine has.
double MachineMemory();

// Throws Error "WHAT need 80.0 GB of memory, this machine has 16.0 GB" where that is so: without
// it a network file with large numbers would have the process killed.
void CheckMemory(double bytes, std::string_view what);

// What Parameters(graph) takes, without making it.
double ParameterBytes(const Graph& graph);

// A piece of memory that is in use from step `first` to step `last`, both included.
struct Block {
  size_t bytes = 0;
  int first = 0, last = 0;
  size_t offset = 0;  // set by PlaceBlocks; 64-byte aligned
};

// Sets the offsets so that blocks in use at the same time never overlap, and returns the bytes of
// the whole. Largest first, each into the lowest gap that holds it (Pisarchyk & Lee 2020, "greedy
// by size"); of more than 4,096 blocks, for which that takes the square of their number, in order
// of time, each into the smallest gap that holds it.
size_t PlaceBlocks(std::vector<Block>& blocks);

}  // namespace normkit
