// Moments of weighted elements.
#pragma once

#include "src/norm/problem.h"

namespace normkit {

// The moments of x, an array of `layout` (rows of the problem's), under `weights` from the first
// on: one for each position, which all channels of it share; the count is their sum. What has a
// weight of 0 is not read. In f64, with what rounding takes. Throws Error where a weight is
// negative or not finite.
void GatherWeighted(const Problem& problem, const Layout& layout, const void* x,
                    const float* weights, int64_t first, Moments* moments);

// The weights of an array of this layout: one for each position.
int64_t NumWeights(const Layout& layout);

}  // namespace normkit
