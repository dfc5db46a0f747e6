// Training a network, and how good it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "normkit/nn/networks.h"
#include "normkit/train/options.h"
#include "normkit/train/statistics.h"

namespace normkit {

struct TrainingResult {
  Network network;
  std::vector<ProgressRow> history;  // every iteration
  bool of_classes = false;           // accuracies are percent of answers, or of pixels; else RMSEs
  bool has_validation = false;
  double final_validation_accuracy = 0,
         final_validation_loss = 0;  // after the statistics are final
  int64_t best_iteration = 0;        // that `network` is of; 0: of the last one
  // Of each batch normalization. What no statistics were measured for (population_mean and
  // population_variance, with Statistics::kMoving fed_mean and fed_variance) is of 2000
  // observations at most, spread over the data.
  std::vector<StatisticsGap> statistics_gaps;
  bool stopped = false;        // by TrainingOptions::stop
  bool checkpointed = false;   // checkpoint_path holds where it ended
  bool stopped_early = false;  // by validation_patience
  std::string converged;       // of lbfgs: why it ended before max_iterations; empty: it did not
  double seconds = 0;          // of training, over all resumed parts
  size_t peak_bytes = 0;       // arena of the training step
};

// The loss stopped being a finite number, or what a network gives is not.
class NORMKIT_API DivergedError : public Error {
 public:
  using Error::Error;
};

// Trains `graph` on `data` from freshly initialized parameters. Same seed, same bytes, for any
// number of threads. Throws Error where data and graph do not fit or an option is out of range (it
// is named, with what was given and expected), DivergedError where the loss stops being finite.
NORMKIT_API TrainingResult TrainNetwork(const DataPtr& data, const Graph& graph,
                                        const TrainingOptions& options);

// The same from the parameters of a finished network: fine-tuning. Its input stays as it is
// normalized, unless reset_input_normalization is on. What is frozen, replaced or begins anew,
// ChangeNetwork and ModelFile say.
NORMKIT_API TrainingResult TrainNetwork(const DataPtr& data, const Network& network,
                                        const TrainingOptions& options);

// One line on what batch normalization predicts with: "auto: those of what prediction feeds each
// batch normalization; the moving estimates differ by up to 8.1 % in variance ('norm2') and ...".
// "" for a network without.
NORMKIT_API std::string DescribeStatistics(Statistics statistics, const TrainingResult& result);
// Likewise for the gaps of several networks; "" where there are none ('moving' measures none).
NORMKIT_API std::string DescribeStatistics(Statistics statistics,
                                           const std::vector<StatisticsGap>& gaps);

// The mean of the mini-batches of the last epoch, as they were trained on: percent; RMSE for
// regression.
NORMKIT_API double TrainingAccuracy(const TrainingResult& result);

// A sentence where the result is far better on the training data than on `validation_size` others,
// by 5 points and three standard errors, or 1.5 times the RMSE: how far, and the epoch in which the
// validation loss was lowest if it rose again. Empty where it is not.
NORMKIT_API std::string DescribeParting(const TrainingResult& result, int64_t validation_size);

// Mini-batches that an epoch of so many observations has.
NORMKIT_API int64_t IterationsPerEpoch(int64_t observations, int64_t mini_batch_size);

// The options that the run of a checkpoint was made with (the solver's defaults in place of zeros):
// numbers and names, no paths, data or functions. Throws Error as the next one does.
NORMKIT_API TrainingOptions ReadCheckpointOptions(const std::string& path);

// TrainingOptions::checkpoint_notes of a checkpoint. Throws Error naming the file and what is wrong
// with it.
NORMKIT_API std::map<std::string, std::string> ReadCheckpointNotes(const std::string& path);

struct Evaluation {
  double accuracy = 0, loss = 0;  // percent; RMSE for regression
  // Of classes, in percent: the means over them of the F1 score, and of the area under the curve of
  // one against the rest.
  double f_score = 0, area_under_curve = 0;
  // Of classes of positions, in percent: the mean over those that occur of 2 |A and B| / (|A| +
  // |B|), A the positions of the class and B those predicted to be it, of all observations.
  double dice = 0;
  std::vector<int64_t> predicted;  // class indices, of observations or, where those have, rows
  std::vector<std::vector<int64_t>> confusion;  // [true][predicted]
};
// Predicts (trained statistics) all of `data` and compares with its labels or targets. With the
// mini-batch size and loss of the training: its validation figures to the bit. Ranks with a reducer
// take turns at the mini-batches and get the same, all of it.
NORMKIT_API Evaluation Evaluate(const Network& network, const DataPtr& data,
                                int64_t mini_batch_size = 128, Loss loss = Loss::kAuto,
                                Reducer* reducer = nullptr);

// What an evaluation counts of a class.
struct ClassScore {
  std::string name;
  int64_t observations = 0, correct = 0, predicted = 0;
  // Percent of the observations of the class, and of those predicted to be it, that are right;
  // nothing where there are none.
  std::optional<double> Recall() const { return Percent(observations); }
  std::optional<double> Precision() const { return Percent(predicted); }

 private:
  std::optional<double> Percent(int64_t of) const {
    if (of == 0) return std::nullopt;
    return 100.0 * static_cast<double>(correct) / static_cast<double>(of);
  }
};
NORMKIT_API std::vector<ClassScore> ClassScores(const Evaluation& evaluation,
                                                const std::vector<std::string>& classes);

// The network that suits the data where nobody says which: "small-cnn" for pictures, "mlp" for
// features, "lstm" for sequences, "cnn-lstm" for those of pictures, "unet" for classes of
// positions.
NORMKIT_API std::string UsualNetwork(const DataSource& data);

// The network called `network` (normkit/nn/networks.h), or that of a file whose name ends in .json,
// for observations and classes like those of `data`. Throws Error where they do not fit.
NORMKIT_API Graph MakeNetworkFor(const DataSource& data, const std::string& network,
                                 const NormChoice& norm);
// What a network for such data is made for, for MakeNetwork and ParseNetworkJson.
NORMKIT_API NetworkPurpose PurposeFor(const DataSource& data, const NormChoice& norm);
// For any purpose.
NORMKIT_API Graph MakeOrReadNetwork(const std::string& network, const NetworkPurpose& purpose);

}  // namespace normkit
