// What `normkit train` and `normkit compare` share: where data come from and how to train on them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "normkit/graph/graph.h"
#include "normkit/nn/networks.h"
#include "normkit/train/options.h"
#include "src/core/numbers.h"
#include "src/data/training_data.h"
#include "tools/data_options.h"
#include "tools/options.h"

namespace normkit::tools {

// What is trained where nothing else is said: 98 % and more on `digits` in a minute or two
// (docs/results.md).
TrainingOptions DefaultTrainingOptions();

// --solver, --max-epochs, ...: the rows of the table of training options but for those in `except`;
// defaults as they stand in `options`.
void AddTrainingOptions(const Command& command, TrainingOptions& options,
                        const std::vector<std::string>& except = {});

// A line for each of these that the solver does not read.
void WarnOfOtherSolvers(const TrainingOptions& options, const std::vector<std::string>& given);

// What may be held out of data.
inline constexpr NumberRange<double> kHeldOut{.low = 0, .high = 0.9};

// --data, --validation-data, --validation-fraction, and how they are read.
struct DataArgs : TrainingDataNames {
  ReadingArgs reading = {};
};
Option AddDataOption(const Command& command, std::string& data);
void AddDataOptions(const Command& command, DataArgs& args);
TrainingData OpenTrainingData(const DataArgs& args, uint64_t seed);

// Which network: --network (a name, auto, or a .json file) and --norm.
struct NetworkArgs {
  std::string network = "auto", norm = "batch";
};
void AddNetworkOption(const Command& command, std::string& network);
// The name itself, or what "auto" means for the data.
std::string ChosenNetwork(const std::string& network, const DataSource& data);
void AddNormOption(const Command& command, std::string& norm);
void AddNormsOption(const Command& command, std::vector<std::string>& norms);  // --norm A,B,...

// --overwrite, of a command with --output.
void AddOverwriteFlag(const Command& command, bool& overwrite);

// The ways out where memory is short.
inline constexpr std::string_view kTakesLess =
    "a smaller --mini-batch-size or --image-size takes less";

}  // namespace normkit::tools
