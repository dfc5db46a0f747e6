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
  int64_t answers = 0;
  int64_t count = 0;          // what the loss is a mean over: answers, or pixels of them
  double loss = 0;            // sum of each one's loss
  int64_t told = 0;           // classification: labels, of answers or pixels of them
  int64_t correct = 0;        // of those
  double squared_error = 0;   // regression: sum over all target values
  int64_t target_values = 0;  // regression
  int64_t first_bad = -1;     // an answer where the network's output is not finite

  void Add(const Score& other);
  double mean_loss() const { return loss / static_cast<double>(count); }
  // Percent of the answers right; regression: root of the mean squared error.
  double accuracy() const;
};

// What is minimized of `options`; class weights and label smoothing act in training alone, so that
// validation losses of several runs mean the same.
struct ObjectiveOptions {
  Loss loss = Loss::kAuto;
  double huber_transition = 1;
  LossFunction function = nullptr;
  ClassWeights class_weights = ClassWeights();
  double label_smoothing = 0;

  static ObjectiveOptions Training(const TrainingOptions& options);
  static ObjectiveOptions Validating(const TrainingOptions& options);
};

// The loss at the end of a graph. Cross-entropy after softmax works on what softmax reads, where
// gradient and loss are exact even where a probability rounds to 0. Data with targets and a loss of
// classes: the targets are class numbers of the pixels, in the order of the network's output.
class Objective {
 public:
  // Throws Error where the network's input, output and loss do not fit the data.
  Objective(const Graph& graph, const DataSource& data, const ObjectiveOptions& options);

  bool classification() const { return classification_; }  // an answer is one label
  bool of_pixels() const { return pixels_ > 1; }           // it is one for each pixel
  bool of_classes() const { return classes_ > 0; }         // accuracy is percent, else an RMSE
  int64_t classes() const { return classes_; }             // 0: targets
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
  struct Piece {  // answers in a row
    std::span<const float> output;
    std::span<const int64_t> labels;
    std::span<const float> targets;
    int64_t whole = 0;  // answers of the mini-batch
    std::span<float> doutput;
  };
  void CheckFit(const Graph& graph, const DataSource& data, bool softmax) const;
  void TakeWeights(const DataSource& data, const ClassWeights& weights);
  Score ScoreOf(const Piece& piece, std::vector<int64_t>* predicted) const;
  double OwnLoss(const Piece& piece) const;
  double ErrorOf(const Piece& piece) const;
  void AddClasses(const Piece& piece, Score& score, std::vector<int64_t>* predicted) const;

  ObjectiveOptions options_;
  std::vector<double> weights_;
  bool classification_ = true;
  Value from_ = 0;
  int64_t width_ = 0;
  int64_t pixels_ = 1, classes_ = 0;  // classes_ 0: targets
};

// Whether what such a network gives is right or wrong, of observations or of their pixels: accuracy
// is percent, else an RMSE.
bool TellsClasses(const Graph& graph, const DataSource& data, Loss loss);

}  // namespace normkit
