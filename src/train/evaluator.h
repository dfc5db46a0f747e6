// Scores a network on a data set, any number of times.
#pragma once

#include <cstdint>
#include <span>
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
  // Ranks with a reducer take turns at the mini-batches, and join what they found. Null: alone.
  Evaluator(const Graph& graph, DataPtr data, const ObjectiveOptions& objective, int64_t batch_size,
            Reducer* reducer = nullptr);

  // Predicts all of the data with the trained statistics. `predictions`, if not null, gets what the
  // network gives, and what is right.
  Score Run(const Parameters& parameters, Predictions* predictions = nullptr);

  // The objective metric of `options`, of a run and its predictions (which loss and accuracy do not
  // need). Throws Error where it is none of such data.
  double MetricOf(const TrainingOptions& options, const Score& score,
                  const Predictions& predictions) const;

  // "evaluating 'DATA': what the network gives for OBSERVATION is not finite: ..."; "" where all
  // is.
  std::string BadOutput(const Score& score) const;

 private:
  // What comes of a mini-batch.
  struct Part {
    Score score;
    Predictions predictions;
  };
  Part RunBatch(const Parameters& parameters, std::span<const int64_t> indices, bool predicts);
  void Join(std::vector<Part>& parts, bool predicts) const;
  int64_t ObservationOf(int64_t answer) const;

  const Graph* graph_;
  DataPtr data_;
  Objective objective_;
  int64_t batch_size_;
  Executor executor_;
  BatchReader reader_;
  Reducer* reducer_;
};

}  // namespace normkit
