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

// queries and keys [rows, H K], values [rows, H V], H heads side by side -> [rows, H V]: each step
// the mean of the values of its own observation, with weights softmax(query . key / sqrt(K)) over
// all of its steps; causal: those up to its own. Positions of pictures and volumes, [B, space, ..],
// look at those of their own in the same way, row by row.
struct AttentionSettings {
  int64_t num_heads = 1;
  bool causal = false;
};
OpPtr Attention(const AttentionSettings& settings);

// x [rows, 1] of whole numbers and a table [count, width] -> [rows, width]: rows of the table.
// `title`: who speaks where x is out of range.
OpPtr Embedding(const std::string& title);

// x [rows, C] and perhaps a table [most steps, C]: x + the row of the table for each step's place
// in its observation; without a table sines and cosines. So of positions, in pictures of the size
// that `x` has.
OpPtr Positions(const std::string& title, const Layout& x);

}  // namespace normkit::ops
