// What training and evaluating hold in memory, known before anything is made.
#pragma once

#include <cstdint>

#include "normkit/graph/graph.h"
#include "normkit/train/options.h"
#include "src/core/memory_needs.h"

namespace normkit {

// All that TrainNetwork holds at once, but for the data: parameters, gradients, the solver's state,
// what the mini-batches and those of the validation take, and the files that are made in memory.
MemoryNeeds TrainingNeeds(const Graph& graph, const TrainingOptions& options, int64_t observations,
                          int64_t validation_observations);

// The same of what is trained and validated on: of sequences, of the longest ones.
MemoryNeeds TrainingNeeds(const Graph& graph, const TrainingOptions& options,
                          const DataSource& data, const DataSource* validation);
// All that Evaluate holds beside the network and the data.
MemoryNeeds EvaluationNeeds(const Graph& graph, const DataSource& data, int64_t mini_batch_size);
MemoryNeeds EvaluationNeeds(const Graph& graph, int64_t observations, int64_t mini_batch_size);

}  // namespace normkit
