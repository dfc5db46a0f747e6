// Which memory the values of a graph and their gradients lie in, and when it is in use.
#pragma once

#include <span>
#include <vector>

#include "src/graph/memory.h"
#include "src/graph/steps.h"

namespace normkit {

// Step s runs forward at time s and backward at Backward(s); at Hold() the caller reads the output.
struct Times {
  int steps = 0;
  int Hold() const { return steps; }
  int Backward(int step) const { return 2 * steps - step; }
  int End() const { return 2 * steps + 1; }
};

struct ValueBlocks {
  std::vector<int> value, gradient;  // the block of each value; kMissing: none
  std::vector<char> kept;            // values that the caller may read until Backward
};

// Adds the blocks of all values and gradients to `blocks`; `bytes` is the size of each value. What
// the graph is given has a block from beginning to end; what lies elsewhere (parameters, constants)
// has none. A result lies over what it is made of (Kernel's forward_in_place, backward_in_place)
// where nobody reads that any more. `wanted`: values that the caller wants to read; all of them:
// nothing shares memory.
ValueBlocks MakeValueBlocks(const Graph& graph, const Steps& steps, std::span<const size_t> bytes,
                            bool training, std::span<const char> wanted, bool share,
                            std::vector<Block>& blocks);

}  // namespace normkit
