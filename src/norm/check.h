// What a call of a normalization is refused for: arrays that are missing, or lie over others.
#pragma once

#include <span>

#include "src/norm/ready_parameters.h"

namespace normkit {

// Throws Error where `array` is null, but for what has no elements.
void CheckNotNull(const Problem& problem, std::string_view name, const void* array, int64_t size,
                  DType dtype);
void CheckNotNull(const Problem& problem, std::string_view name, const void* array);

// What a forward pass may be given. `trains`: what Backward will read has to be kept, which are
// the sum and the saved statistics.
void CheckForward(const Problem& problem, const Normalization::ForwardArgs& args, bool trains);

// Of arrays that hold a part.
struct ArraySizes {
  int64_t elements;    // of x
  int64_t statistics;  // of saved arrays
};

// The halves of the same, and what is between them; `moments`: those that Gather writes.
void CheckGather(const Problem& problem, const Normalization::ForwardArgs& args,
                 const ArraySizes& sizes, std::span<const Moments> moments);
void CheckFinish(const Problem& problem, std::span<const Moments> moments,
                 const SavedStatistics& saved);
void CheckApply(const Problem& problem, const Normalization::ForwardArgs& args,
                const ArraySizes& sizes);

// Statistics that are given: missing, or variances that cannot be.
void CheckGiven(const Problem& problem, const void* mean, const void* variance);

// Whether y stands for x.
bool FromY(const Problem& problem, const Normalization::BackwardArgs& args);

// `parameters`: those of the arguments, as the back-ends take them.
void CheckBackward(const Problem& problem, const Normalization::BackwardArgs& args,
                   const ReadyParameters& parameters);
// Either half of the same of a part; `sums`: those that the first writes and the second reads.
void CheckBackwardOfPart(const Problem& problem, const Normalization::BackwardArgs& args,
                         const ReadyParameters& parameters, const ArraySizes& sizes,
                         std::span<const double> sums, bool reads_sums);

}  // namespace normkit
