// What a call of a normalization is refused for: arrays that are missing, or lie over others.
#pragma once

#include "src/norm/ready_parameters.h"

namespace normkit {

// Throws Error where `array` is null, but for what has no elements.
void CheckNotNull(const Problem& problem, std::string_view name, const void* array, int64_t size,
                  DType dtype);
void CheckNotNull(const Problem& problem, std::string_view name, const void* array);

// What a forward pass may be given. `trains`: what Backward will read has to be kept, which are
// the sum and the saved statistics.
void CheckForward(const Problem& problem, const Normalization::ForwardArgs& args, bool trains);

// Statistics that are given: missing, or variances that cannot be.
void CheckGiven(const Problem& problem, const void* mean, const void* variance);

// Whether y stands for x.
bool FromY(const Problem& problem, const Normalization::BackwardArgs& args);

// `parameters`: those of the arguments, as the back-ends take them.
void CheckBackward(const Problem& problem, const Normalization::BackwardArgs& args,
                   const ReadyParameters& parameters);
// The same of a part with so many statistics, but for arrays that lie over others.
void CheckBackwardOfPart(const Problem& problem, const Normalization::BackwardArgs& args,
                         const ReadyParameters& parameters, int64_t statistics);

}  // namespace normkit
