// What training minimizes and how far it is: loss and accuracy of mini-batches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/data/batch.h"
#include "normkit/graph/executor.h"
#include "normkit/graph/graph.h"
#include "normkit/train/options.h"

namespace normkit {

// Sums over the answers of one or more mini-batches: those for observations, or, of sequences that
// are answered row by row, for rows.
struct Score {
  int64_t count = 0;
  double loss = 0;            // sum of each answer's loss
  int64_t correct = 0;        // classification
  double squared_error = 0;   // regression: sum over all target values
  int64_t target_values = 0;  // regression
  int64_t first_bad = -1;     // an answer where the network's output is not finite

  void Add(const Score& other);
  double mean_loss() const { return loss / static_cast<double>(count); }
  // Percent of the answers right; regression: root of the mean squared error.
  double accuracy() const;
};

// The loss at the end of a graph. Cross-entropy after softmax works on what softmax reads, where
// gradient and loss are exact even where a probability rounds to 0.
class Objective {
 public:
  // Throws Error where the network's input, output and loss do not fit the data.
  Objective(const Graph& graph, const DataSource& data, Loss loss);

  bool classification() const { return classification_; }
  Value from() const { return from_; }      // the value whose gradient Evaluate gives
  int64_t width() const { return width_; }  // of that value, for one answer

  // After executor.Forward: the score of its mini-batch, summed by the tree over observations; with
  // a reducer of all of it, else `batch` is all there is. doutput, if not empty, receives the
  // gradient of the mean loss (over all answers of the mini-batch) with respect to from();
  // predicted, if not null, gets the classes of this rank's answers, -1 where what the network
  // gives is not finite.
  Score Evaluate(const Executor& executor, const Batch& batch, Reducer* reducer,
                 std::span<float> doutput, std::vector<int64_t>* predicted) const;

 private:
  Score ScoreOf(std::span<const float> output, const Batch& batch, int64_t first, int64_t whole,
                std::span<float> doutput, std::vector<int64_t>* predicted) const;

  bool classification_ = true;
  Value from_ = 0;
  int64_t width_ = 0;
};

}  // namespace normkit
