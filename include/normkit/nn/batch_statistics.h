// What batch normalizations learn of each mini-batch beside their parameters.
#pragma once

#include <cstdint>
#include <span>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/graph/executor.h"
#include "normkit/graph/parameters.h"

namespace normkit {

// The statistics of a batch normalization in the last training Forward, of its running axes.
// Pooled over batches (Moments::Merge) they are the population's.
struct BatchMoments {
  int64_t count = 0;  // elements behind each value
  std::span<const double> mean;
  std::span<const double> variance;  // divides by count
};

// Empty where `layer` (an index of Graph::layers()) is no batch normalization, or used its trained
// statistics. Valid from a training Forward until Backward.
NORMKIT_API BatchMoments BatchStatistics(const Graph& graph, const Executor& executor, int layer);

// Moves the trained statistics of every batch normalization that does not freeze or use them
// towards those of the last training Forward: new = (1 - decay) old + decay batch. `apart`: ranks
// each of which has normalized with its own statistics (RunContext::synchronized); those of all,
// pooled, in one message, are what is learned from.
NORMKIT_API void MoveStatistics(const Graph& graph, const Executor& executor,
                                Parameters& parameters, Reducer* apart = nullptr);

}  // namespace normkit
