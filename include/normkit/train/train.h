// Training a network.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "normkit/core/export.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"

namespace normkit {

enum class Solver { kSgdm, kAdam, kRmsProp };
enum class Shuffle { kNever, kOnce, kEveryEpoch };
enum class Schedule { kNone, kPiecewise, kCosine };
enum class GradientThresholdMethod { kL2Norm, kGlobalL2Norm, kAbsoluteValue };
enum class Statistics { kMoving, kPopulation };               // batch_normalization_statistics
enum class Loss { kAuto, kCrossEntropy, kMeanSquaredError };  // auto: cross-entropy after softmax

// One row of the progress table.
struct ProgressRow {
  int64_t epoch = 0, iteration = 0;
  double seconds = 0;
  double batch_accuracy = 0, batch_loss = 0;  // accuracy in percent; RMSE for regression
  bool has_validation = false;
  double validation_accuracy = 0, validation_loss = 0;
  double learn_rate = 0;
};

// Names and defaults follow the toolbox's trainingOptions.
struct TrainingOptions {
  Solver solver = Solver::kSgdm;
  int64_t max_epochs = 5;
  int64_t mini_batch_size = 128;
  double initial_learn_rate = 0;  // 0: the solver's default, 0.01 (sgdm) or 0.001 (adam, rmsprop)
  Schedule learn_rate_schedule = Schedule::kNone;
  int64_t learn_rate_drop_period = 10;  // epochs
  double learn_rate_drop_factor = 0.1;
  double momentum = 0.9;
  double gradient_decay_factor = 0.9;        // adam
  double squared_gradient_decay_factor = 0;  // 0: 0.999 (adam), 0.9 (rmsprop)
  double solver_epsilon = 1e-8;
  double l2_regularization = 1e-4;
  double gradient_threshold = 0;  // 0: none
  GradientThresholdMethod gradient_threshold_method = GradientThresholdMethod::kL2Norm;
  Shuffle shuffle = Shuffle::kOnce;
  Statistics batch_normalization_statistics = Statistics::kPopulation;
  Loss loss = Loss::kAuto;
  DataPtr validation_data;            // null: none
  int64_t validation_frequency = 50;  // iterations
  int64_t validation_patience = 0;    // validations without improvement before stopping; 0: never
  int64_t verbose_frequency = 50;     // iterations between rows of the progress table
  uint64_t seed = 1;
  std::function<void(const ProgressRow&)> on_row;        // a row of the progress table
  std::function<void(const ProgressRow&)> on_iteration;  // every iteration, for a live line
  const std::atomic<bool>* stop = nullptr;               // set: stop at the next iteration
};

struct TrainingResult {
  Network network;
  std::vector<ProgressRow> history;  // every iteration
  double final_validation_accuracy = 0,
         final_validation_loss = 0;  // after the statistics are final
  bool stopped = false;
  size_t peak_bytes = 0;  // arena of the training step
};

// Trains `graph` on `data` from freshly initialized parameters. Same seed, same bytes, for any
// number of threads. Throws Error where data and graph do not fit, an option is out of range (it is
// named, with what was given and expected), or the loss stops being finite.
NORMKIT_API TrainingResult TrainNetwork(const DataPtr& data, const Graph& graph,
                                        const TrainingOptions& options);

struct Evaluation {
  double accuracy = 0, loss = 0;                // percent; RMSE for regression
  std::vector<int64_t> predicted;               // class indices
  std::vector<std::vector<int64_t>> confusion;  // [true][predicted]
};
NORMKIT_API Evaluation Evaluate(const Network& network, const DataPtr& data,
                                int64_t mini_batch_size = 128);

}  // namespace normkit
