// In which passes over a picture a graph with normalizations is computed, and what is kept between
// them.
#pragma once

#include <string>
#include <vector>

#include "src/graph/piece_graph.h"

namespace normkit {

// One pass over all tiles: from the values `from` (and the picture) it gathers the statistics of
// some nodes, and makes the values `keep`, which with those of `from` that are not `dead` are there
// for later passes. The last makes the output.
struct TilePass {
  std::vector<int> nodes;
  std::vector<Value> from, keep, dead;
  double cost = 0;  // about what it computes, in multiplications
};

struct TilePasses {
  std::vector<TilePass> list;
  double cost = 0, once = 0;  // of all, and of computing each value once
  double bytes = 0;           // the most that is kept at once
};

// What may be kept, in bytes: during any pass, and in the last, which writes the output. `band`:
// which part of the rows is there twice while one array follows another.
struct PassLimits {
  double bytes, last_bytes, band;
};

// The passes that cost least within the limits.
TilePasses PlanPasses(const PictureGraph& picture, const PassLimits& limits);

}  // namespace normkit
