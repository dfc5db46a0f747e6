// How a network is trained: options, their names and their defaults.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/reducer.h"
#include "normkit/data/augment.h"
#include "normkit/data/source.h"

namespace normkit {

// lbfgs: one step takes all observations and searches along a line (normkit/train/lbfgs.h); the
// others take a mini-batch and a learning rate (normkit/train/optimizer.h).
enum class Solver { kSgdm, kAdam, kRmsProp, kAdamW, kLbfgs };
// line_search_method, of lbfgs; the conditions stand in normkit/train/lbfgs.h.
enum class LineSearchMethod { kWeakWolfe, kStrongWolfe, kBacktracking };
enum class Shuffle { kNever, kOnce, kEveryEpoch };
// learn_rate_schedule; the formulas stand with LearnRate (normkit/train/optimizer.h).
enum class Schedule { kNone, kPiecewise, kCosine, kExponential, kPolynomial, kCyclical };
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
// loss; the formulas stand in normkit/nn/loss.h. auto: cross-entropy after softmax, else mean
// squared error. Cross-entropy and Dice are of classes, of observations or of pixels; the others of
// targets.
enum class Loss { kAuto, kCrossEntropy, kMeanSquaredError, kMeanAbsoluteError, kHuber, kDice };
// objective_metric: what tells validations apart. Less is better of loss and rmse, more of the
// others: percent of the answers right; the mean over classes of the F1 score; the mean over
// classes of the area under the curve of one against the rest (both in percent). dice: the mean
// over classes of 2 |A and B| / (|A| + |B|) of positions; of other labels it is the F1 score.
enum class Metric { kLoss, kAccuracy, kFScore, kAuc, kRmse, kDice };
// output_network. auto: best where there are validation data, else last.
enum class OutputNetwork { kAuto, kLast, kBest };
enum class FrequencyUnit { kEpoch, kIteration };
// verbose. auto: the table of progress goes to standard output where that is a terminal and on_row
// is not given.
enum class Verbose { kAuto, kOn, kOff };
// batch_norm_sync, of several ranks: batch normalization takes the statistics of the whole
// mini-batch; off: of a rank's part of it.
enum class BatchNormSync { kOn, kOff };
// reset_input_normalization, of a network that is trained on: whether its input layer takes its
// statistics from the new data.
enum class ResetInputNormalization { kOff, kOn };

// The names that the command line and files use: "every-epoch", "global-l2norm", ...
NORMKIT_API std::string_view Name(Solver value);
NORMKIT_API std::string_view Name(LineSearchMethod value);
NORMKIT_API std::string_view Name(Shuffle value);
NORMKIT_API std::string_view Name(Schedule value);
NORMKIT_API std::string_view Name(GradientThresholdMethod value);
NORMKIT_API std::string_view Name(Statistics value);
NORMKIT_API std::string_view Name(Loss value);
NORMKIT_API std::string_view Name(Metric value);
NORMKIT_API std::string_view Name(OutputNetwork value);
NORMKIT_API std::string_view Name(FrequencyUnit value);
NORMKIT_API std::string_view Name(Verbose value);
NORMKIT_API std::string_view Name(BatchNormSync value);
NORMKIT_API std::string_view Name(ResetInputNormalization value);

// The inverses. Throw Error that lists the names, the nearest one first.
NORMKIT_API Solver ParseSolver(std::string_view name);
NORMKIT_API LineSearchMethod ParseLineSearchMethod(std::string_view name);
NORMKIT_API Shuffle ParseShuffle(std::string_view name);
NORMKIT_API Schedule ParseSchedule(std::string_view name);
NORMKIT_API GradientThresholdMethod ParseGradientThresholdMethod(std::string_view name);
NORMKIT_API Statistics ParseStatistics(std::string_view name);
NORMKIT_API Loss ParseLoss(std::string_view name);
NORMKIT_API Metric ParseMetric(std::string_view name);
NORMKIT_API OutputNetwork ParseOutputNetwork(std::string_view name);
NORMKIT_API FrequencyUnit ParseFrequencyUnit(std::string_view name);
NORMKIT_API Verbose ParseVerbose(std::string_view name);
NORMKIT_API BatchNormSync ParseBatchNormSync(std::string_view name);
NORMKIT_API ResetInputNormalization ParseResetInputNormalization(std::string_view name);

// A part of learn_rate_chain: a schedule for so many epochs.
struct ScheduleStretch {
  Schedule schedule = Schedule::kNone;
  int64_t epochs = 1;
  bool operator==(const ScheduleStretch&) const = default;
};

// class_weights: what the loss of an observation of each class counts. balanced: as much as makes
// all classes count alike in all, N / (K N_k) for the N_k of N observations of one of K classes.
struct ClassWeights {
  bool balanced = false;
  std::vector<double> values = {};  // in the order of the classes; empty: 1
  bool operator==(const ClassWeights&) const = default;
};

// One row of the progress table.
struct ProgressRow {
  int64_t epoch = 0, iteration = 0;           // from 1
  double seconds = 0;                         // since training began
  double batch_accuracy = 0, batch_loss = 0;  // accuracy in percent; RMSE for regression
  bool has_validation = false;
  double validation_accuracy = 0, validation_loss = 0;
  double learn_rate = 0;         // lbfgs: how far along its direction the step went
  double validation_metric = 0;  // the objective metric
};

// What a network gives for all observations of a data set, and what is right: of classes one label
// for an answer, of regression its targets.
struct Predictions {
  std::vector<float> outputs;      // [answers, width]
  std::vector<int64_t> predicted;  // the class of the largest output; classification
  std::vector<int64_t> labels;
  std::vector<float> targets;
  int64_t width = 0;
};
// A measure of one's own; more is better.
using MetricFunction = std::function<double(const Predictions&)>;

// Some answers of a mini-batch: what the network gives, and what is right.
struct LossInput {
  std::span<const float> outputs;   // [answers, width]
  std::span<const int64_t> labels;  // classification: [answers]
  std::span<const float> targets;   // regression: [answers, width]
  int64_t width = 0;
};
// A loss of one's own: gives the sum of the losses of these answers, each of which depends on that
// answer alone, and writes the gradient of that sum with respect to the outputs, unless `gradient`
// is empty. Training divides both by the answers of the mini-batch.
using LossFunction = std::function<double(const LossInput&, std::span<float> gradient)>;
// A schedule of one's own: the learning rate of an iteration, both from 1.
using LearnRateFunction = std::function<double(int64_t epoch, int64_t iteration)>;

class Graph;
class Parameters;

// Where training is, for an output function. The pointers are good for the call.
struct TrainingInfo {
  enum class State { kStart, kIteration, kDone };
  State state = State::kStart;
  ProgressRow row = {};    // of the last iteration; at the start of a new run: zeros
  int64_t iterations = 0;  // of the whole training
  int64_t per_epoch = 0;
  const Graph* graph = nullptr;
  const Parameters* parameters = nullptr;
  const Parameters* gradients = nullptr;  // as they were applied; state kIteration alone
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
  // Observations at a time, of which gradients are added up and statistics of batch normalization
  // joined: the bytes of the whole mini-batch with the memory of a part of it, a sixteenth at
  // least. The price is time: a network with n batch normalizations takes 2 n + 1 walks, one
  // without takes one. 0: all of it.
  int64_t micro_batch_size = 0;
  double initial_learn_rate = 0;  // 0: the solver's default, 0.01 (sgdm) or 0.001 (the others)
  Schedule learn_rate_schedule = Schedule::kNone;
  // Several schedules one after the other in place of the one, each of its own epochs; the last one
  // goes on to the end.
  std::vector<ScheduleStretch> learn_rate_chain = {};
  int64_t learn_rate_drop_period = 10;  // epochs
  double learn_rate_drop_factor = 0.1;
  double learn_rate_power = 1;    // polynomial
  int64_t learn_rate_warmup = 0;  // iterations in which the rate rises, before any schedule
  double momentum = 0.9;
  double gradient_decay_factor = 0.9;        // adam, adamw
  double squared_gradient_decay_factor = 0;  // 0: 0.999 (adam, adamw), 0.9 (rmsprop)
  double solver_epsilon = 1e-8;
  // The rows of lbfgs, which has no epochs, no learning rate and no order of the data: it refuses
  // gradient_threshold, augment and learn_rate_function, and leaves the other rows of theirs alone.
  // mini_batch_size is that of validation and statistics there.
  int64_t max_iterations = 1000;
  int64_t history_size = 10;  // steps that the curvature is learned from
  double initial_inverse_hessian_factor = 1;
  double initial_step_size = 0;  // the largest change of a parameter at first; 0: by the factor
  LineSearchMethod line_search_method = LineSearchMethod::kWeakWolfe;
  int64_t max_num_line_search_iterations = 20;
  double gradient_tolerance = 1e-5, step_tolerance = 1e-5;  // 0: it does not end by that
  double l2_regularization = 1e-4;
  double gradient_threshold = 0;  // 0 or infinite: none
  GradientThresholdMethod gradient_threshold_method = GradientThresholdMethod::kL2Norm;
  Shuffle shuffle = Shuffle::kOnce;
  Augmentation augment = Augmentation();
  Statistics batch_normalization_statistics = Statistics::kAuto;
  // A graph gets statistics of the data in any case.
  ResetInputNormalization reset_input_normalization = ResetInputNormalization::kOff;
  Loss loss = Loss::kAuto;
  double huber_transition = 1;  // where huber goes from squares to absolute values
  ClassWeights class_weights = ClassWeights();
  double label_smoothing = 0;         // the part of each label that is spread over all classes
  DataPtr validation_data = nullptr;  // null: none
  int64_t validation_frequency = 50;  // iterations
  int64_t validation_patience = 0;    // validations without improvement before stopping; 0: never
  Metric objective_metric = Metric::kLoss;
  OutputNetwork output_network = OutputNetwork::kAuto;
  Verbose verbose = Verbose::kAuto;
  int64_t verbose_frequency = 50;  // iterations between rows of the progress table
  uint64_t seed = 1;

  // Checkpoints hold all that is needed to go on. One is written before the first iteration, so
  // that what cannot be written fails before there is anything to lose, every checkpoint_frequency
  // epochs or iterations (0: never), and when `stop` stops training; where one of these cannot be
  // written that is a warning, and training goes on.
  std::string checkpoint_path = "";  // empty: none
  int64_t checkpoint_frequency = 0;
  FrequencyUnit checkpoint_frequency_unit = FrequencyUnit::kEpoch;
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
  // off: the bytes depend on how many ranks there are.
  BatchNormSync batch_norm_sync = BatchNormSync::kOn;

  // Of one's own, in place of loss, learn_rate_schedule and objective_metric. A resumed run has to
  // be given the same ones: a checkpoint can say only that there were any.
  LossFunction loss_function = nullptr;
  LearnRateFunction learn_rate_function = nullptr;
  MetricFunction metric_function = nullptr;

  // Called at the start, after each iteration and at the end (unless training failed); true stops
  // training, as `stop` does.
  std::function<bool(const TrainingInfo&)> output_function = nullptr;
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
