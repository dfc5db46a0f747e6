// What `normkit train` and `normkit compare` share: where data come from and how to train on them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "normkit/data/source.h"
#include "normkit/graph/graph.h"
#include "normkit/nn/networks.h"
#include "normkit/train/options.h"
#include "src/core/numbers.h"
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

// What may be held out of data.
inline constexpr NumberRange<double> kHeldOut{.low = 0, .high = 0.9};

// The training data and what is held out of them for validation.
struct DataArgs {
  std::string data, validation_data;
  ReadingArgs reading;
  double validation_fraction = 0.15;
};
Option AddDataOption(const Command& command, std::string& data);
void AddDataOptions(const Command& command, DataArgs& args);

// Both, and a line on each that says what was read how.
struct TrainingData : Split {
  std::string summary;
  int64_t bytes = 0;  // that they take in memory once loaded; parts of one source count once
};

// Opens both; the split depends on the seed only. Classes of the validation data are matched by
// name.
TrainingData OpenTrainingData(const DataArgs& args, uint64_t seed);

// Decodes what is kept in memory, so that damaged files are found before work begins. Whether there
// is memory for it is to be asked before.
void LoadTrainingData(const TrainingData& data);

// Which network: --network (a name, or a .json file) and --norm.
struct NetworkArgs {
  std::string network = "small-cnn", norm = "batch";
};
void AddNetworkOption(const Command& command, std::string& network);
void AddNormOption(const Command& command, std::string& norm);
void AddNormsOption(const Command& command, std::vector<std::string>& norms);  // --norm A,B,...

// --overwrite, of a command with --output.
void AddOverwriteFlag(const Command& command, bool& overwrite);

// The ways out where memory is short.
inline constexpr std::string_view kTakesLess =
    "a smaller --mini-batch-size or --image-size takes less";

}  // namespace normkit::tools
