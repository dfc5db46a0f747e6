// A normalization as a short nest of loops: each level either kept (its own statistic) or reduced.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/core/layout.h"

namespace normkit {

// One loop. Strides are in elements of x, of the statistics and of the parameters; a stride of 0
// means that the index does not move.
struct Level {
  int64_t size;
  int64_t x_stride;
  int64_t stat_stride;
  int64_t param_stride;
  bool kept;
  bool operator==(const Level&) const = default;
};

// Outermost level first; the innermost is contiguous in x. Axes of size 1 leave no level.
struct Plan {
  std::vector<Level> levels;
  int64_t size = 1;
  int64_t num_stat = 1;     // product of the kept axes
  int64_t num_param = 1;    // product of the affine axes
  int64_t num_reduced = 1;  // elements of x for each statistic

  // Whether each statistic is of neighbours in memory, more than one.
  bool StatisticsAreRuns() const;

  // "RKR" for batch normalization of BCSS: neighbours with the same role are one letter.
  std::string ToString() const;
};

// Merges neighbouring axes of `layout` that are alike in both roles. The statistics are dense over
// the axes in `kept`, the parameters over those in `affine`, both in the order of x.
Plan MakePlan(const Layout& layout, Dims kept, Dims affine);

}  // namespace normkit
