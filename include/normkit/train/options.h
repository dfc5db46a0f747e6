// How a network is trained: options, their names and their defaults.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/reducer.h"
#include "normkit/data/source.h"

namespace normkit {

enum class Solver { kSgdm, kAdam, kRmsProp };
enum class Shuffle { kNever, kOnce, kEveryEpoch };
enum class Schedule { kNone, kPiecewise, kCosine };
enum class GradientThresholdMethod { kL2Norm, kGlobalL2Norm, kAbsoluteValue };
// batch_normalization_statistics: what batch normalization predicts with.
//   auto              the statistics of exactly what prediction feeds each batch normalization;
//                     after training the data go through the network once more, where memory allows
//   moving            the last moving estimate of training
//   population        one more pass over the training data after training, pooling (n, mean, M2) of
//                     the mini-batches, while layers before normalize with batch statistics
//   population-exact  a pass for each batch normalization, layers before it predicting already: the
//                     same bits as auto, slower and with less memory
enum class Statistics { kAuto, kMoving, kPopulation, kPopulationExact };
enum class Loss { kAuto, kCrossEntropy, kMeanSquaredError };  // auto: cross-entropy after softmax

// The names that the command line and files use: "every-epoch", "global-l2norm", ...
NORMKIT_API std::string_view Name(Solver value);
NORMKIT_API std::string_view Name(Shuffle value);
NORMKIT_API std::string_view Name(Schedule value);
NORMKIT_API std::string_view Name(GradientThresholdMethod value);
NORMKIT_API std::string_view Name(Statistics value);
NORMKIT_API std::string_view Name(Loss value);

// The inverses. Throw Error that lists the names, the nearest one first.
NORMKIT_API Solver ParseSolver(std::string_view name);
NORMKIT_API Shuffle ParseShuffle(std::string_view name);
NORMKIT_API Schedule ParseSchedule(std::string_view name);
NORMKIT_API GradientThresholdMethod ParseGradientThresholdMethod(std::string_view name);
NORMKIT_API Statistics ParseStatistics(std::string_view name);
NORMKIT_API Loss ParseLoss(std::string_view name);

// One row of the progress table.
struct ProgressRow {
  int64_t epoch = 0, iteration = 0;           // from 1
  double seconds = 0;                         // since training began
  double batch_accuracy = 0, batch_loss = 0;  // accuracy in percent; RMSE for regression
  bool has_validation = false;
  double validation_accuracy = 0, validation_loss = 0;
  double learn_rate = 0;
};

// Names are those of the toolbox's trainingOptions; docs/options.md has the defaults of the
// toolbox, of this struct and of the program side by side, and why they differ. A partial last
// mini-batch of an epoch is trained on (the toolbox discards it), its loss the mean of its own
// observations; one observation left over is not, because batch normalization learns nothing from
// it.
struct TrainingOptions {
  Solver solver = Solver::kSgdm;
  int64_t max_epochs = 30;
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
  Statistics batch_normalization_statistics = Statistics::kAuto;
  Loss loss = Loss::kAuto;
  DataPtr validation_data = nullptr;  // null: none
  int64_t validation_frequency = 50;  // iterations
  int64_t validation_patience = 0;    // validations without improvement before stopping; 0: never
  int64_t verbose_frequency = 50;     // iterations between rows of the progress table
  uint64_t seed = 1;

  // Checkpoints hold all that is needed to go on. One is written before the first iteration, so
  // that what cannot be written fails before there is anything to lose, every checkpoint_frequency
  // epochs (0: never), and when `stop` stops training; where one of these cannot be written that is
  // a warning, and training goes on.
  std::string checkpoint_path = "";  // empty: none
  int64_t checkpoint_frequency = 0;
  // The caller's own; see ReadCheckpointNotes.
  std::map<std::string, std::string> checkpoint_notes = {};
  // Goes on from this checkpoint and ends with the same bytes as a run that was never stopped. The
  // data, the graph and the options above have to be those of the stopped run.
  std::string resume_from = "";

  // Data-parallel training: each rank calls TrainNetwork with the same data, graph and options and
  // a reducer of its own, trains on its part of every mini-batch (BatchPart::OfRank) and ends with
  // the same bytes, those of one rank. Rank 0 alone writes checkpoints and calls what follows.
  // Null: one rank.
  Reducer* reducer = nullptr;

  // Called for each row of the progress table; for each iteration (a live line).
  std::function<void(const ProgressRow&)> on_row = nullptr;
  std::function<void(const ProgressRow&)> on_iteration = nullptr;
  const std::atomic<bool>* stop = nullptr;  // set: stop at the next iteration
};

// The same with the solver's defaults in place of zeros. Throws Error "training options: ..." that
// names the option out of range, what was given and what was expected.
NORMKIT_API TrainingOptions Resolve(const TrainingOptions& options);

// All options that the trained bytes depend on, as (kebab-case name, value) in the order above: for
// model files, reports and the check that a resumed run is the same run.
NORMKIT_API std::vector<std::pair<std::string, std::string>> Describe(
    const TrainingOptions& options);

}  // namespace normkit
