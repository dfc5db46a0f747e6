// What `normkit train` and `normkit compare` share: where data come from and how to train on them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/data/source.h"
#include "normkit/nn/graph.h"
#include "normkit/nn/networks.h"
#include "normkit/train/options.h"

namespace normkit::tools {

// What is trained where nothing else is said: 98 % and more on `digits` in a minute or two
// (docs/results.md).
TrainingOptions DefaultTrainingOptions();

// --solver, --max-epochs, ...: what decides the trained network, in kebab-case; defaults as they
// stand in `options`.
void AddTrainingOptions(CLI::App& command, TrainingOptions& options);

// --validation-frequency, ...: what is told of a training, and when it ends early.
void AddReportingOptions(CLI::App& command, TrainingOptions& options);

// Throws CLI::ValidationError where an option is out of range.
void CheckTrainingOptions(const TrainingOptions& options);

// The training data and what is held out of them for validation.
struct DataArgs {
  std::string data, validation_data;
  double validation_fraction = 0.15;
};
CLI::Option* AddDataOption(CLI::App& command, std::string& data);
void AddDataOptions(CLI::App& command, DataArgs& args);

// Opens both; the split depends on the seed only.
Split OpenTrainingData(const DataArgs& args, uint64_t seed);

// Which network: --network (a name, or a .json file) and --norm.
struct NetworkArgs {
  std::string network = "small-cnn", norm = "batch";
};
void AddNetworkOption(CLI::App& command, std::string& network);
void AddNormOption(CLI::App& command, std::string& norm);
Graph BuildNetwork(const NetworkArgs& args, const DataSource& data);
Graph BuildNetwork(const NetworkArgs& args, NetworkPurpose purpose);  // its norm is that of `args`

// --threads.
void AddThreadsOption(CLI::App& command, int& threads);

// The options that were given, as words of a command line, but for those in `except`.
std::vector<std::string> GivenOptions(const CLI::App& command,
                                      const std::vector<std::string>& except);

// Runs a check of the library on the value of an option: its Error becomes a wrong command line.
template <class Check>
auto Checked(const std::string& option, const Check& check) {
  try {
    return check();
  } catch (const Error& error) {
    throw CLI::ValidationError(option, error.what());
  }
}

}  // namespace normkit::tools
