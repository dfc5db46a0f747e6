// `normkit bench --network`: a training step of a whole network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/command.h"

namespace normkit::tools {

struct NetworkBenchArgs {
  std::string network, norm = "batch";
  std::vector<int64_t> input{32, 32, 3};  // height, width, channels
  int64_t depth = 0;                      // in front of them, of volumes
  int64_t batch_size = 64, num_classes = 10;
};

// --network, --norm, --input, --depth, --mini-batch-size, --classes.
void AddNetworkBenchOptions(const Command& command, NetworkBenchArgs& args);

// A step is forward, cross-entropy, backward and the update of sgdm, on random images that stay
// where they are. Measures the median over at least `seconds` for each number of threads, and
// prints a JSON line or the row of a table for each. Memory: the arena of the executor, and the
// largest resident size this process has had.
void RunNetworkBench(const NetworkBenchArgs& args, const std::vector<int>& threads, double seconds,
                     bool json);

}  // namespace normkit::tools
