// Scores a network on a data set, any number of times.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/data/source.h"
#include "normkit/graph/executor.h"
#include "normkit/train/options.h"
#include "src/train/batches.h"
#include "src/train/objective.h"

namespace normkit {

// Keeps the executors between calls.
class Evaluator {
 public:
  Evaluator(const Graph& graph, DataPtr data, Loss loss, int64_t batch_size);

  // Predicts all of the data with the trained statistics; predicted as in Objective::Evaluate.
  Score Run(const Parameters& parameters, std::vector<int64_t>* predicted = nullptr);

  // "evaluating 'DATA': what the network gives for OBSERVATION is not finite: ..."; "" where all
  // is.
  std::string BadOutput(const Score& score) const;

 private:
  int64_t ObservationOf(int64_t answer) const;

  DataPtr data_;
  Objective objective_;
  int64_t batch_size_;
  Executor executor_;
  BatchReader reader_;
};

}  // namespace normkit
