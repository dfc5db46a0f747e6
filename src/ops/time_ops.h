// Operations on packed time, [rows, C], that know where observations begin and end. What they give
// for an observation is, to the bit, what they give for it alone.
#pragma once

#include "src/ops/ops.h"

namespace normkit::ops {

// x [rows, C], weights [O, C / groups, taps] and perhaps bias [O] -> [rows, O]: tap j of row t
// reads row t + j dilation - before of its observation, or zeros.
OpPtr TimeConvolution(int64_t dilation, int64_t before, int64_t groups);

// The largest or the mean of rows [t - before, t - before + size) of each observation, [rows, ..].
// What lies outside never wins, and counts as zeros.
OpPtr TimeWindowPooling(Pool pool, int64_t size, int64_t before);

}  // namespace normkit::ops
