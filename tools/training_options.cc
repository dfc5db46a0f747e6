#include "tools/training_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "normkit/data/source.h"
#include "normkit/nn/networks.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/core/suggest.h"
#include "src/train/option_table.h"

namespace normkit::tools {
namespace {

// What others call them.
struct Alias {
  std::string_view option, names;
};
constexpr Alias kAliases[] = {{"solver", "--optimizer"},
                              {"max_epochs", "--epochs"},
                              {"mini_batch_size", "--batch-size"},
                              {"initial_learn_rate", "--lr,--learning-rate"},
                              {"l2_regularization", "--weight-decay"},
                              {"validation_patience", "--patience"}};

std::string NamesOf(const TrainingOption& option) {
  std::string names = "--" + KebabName(option);
  const auto* alias = std::ranges::find(kAliases, option.name, &Alias::option);
  if (alias != std::end(kAliases)) names += fmt::format(",{}", alias->names);
  return names;
}

constexpr const char* kAuto = "auto";
constexpr NumberRange<int64_t> kDrawnDigits{1, 100'000'000}, kMadeSequences{1, 1'000'000};

// The name of data: a wrong number in it is a wrong command line, not data that are not there.
Option AddSource(const Command& command, const std::string& name, std::string& data,
                 const std::string& description) {
  return AddValue(
      command, name, "SOURCE",
      "digits[:COUNT], a task (parity, adding, waves, moving, blobs, blobs3d), a folder, an "
      "IDX pair, an .npz, "
      ".ts or .csv",
      description, [&data](const std::string& text) {
        const size_t colon = std::min(text.find(':'), text.size());
        const std::string made = text.substr(0, colon);
        const bool task = std::ranges::find(TaskNames(), made) != TaskNames().end();
        if (colon < text.size() && (task || made == "digits"))
          ParseNumber(text.substr(colon + 1), task ? kMadeSequences : kDrawnDigits);
        data = text;
      });
}

}  // namespace

TrainingOptions DefaultTrainingOptions() {
  TrainingOptions options;
  options.solver = Solver::kAdam;
  options.max_epochs = 10;
  options.mini_batch_size = 64;
  options.initial_learn_rate = 0.003;
  options.learn_rate_schedule = Schedule::kCosine;
  options.shuffle = Shuffle::kEveryEpoch;
  options.verbose = Verbose::kOn;
  options.max_iterations = 100;
  return options;
}

void AddTrainingOptions(const Command& command, TrainingOptions& options,
                        const std::vector<std::string>& except) {
  for (const TrainingOption& option : TrainingOptionTable())
    if (std::ranges::find(except, option.name) == except.end())
      AddProperty(command, NamesOf(option), option, &options);
}

void WarnOfOtherSolvers(const TrainingOptions& options, const std::vector<std::string>& given) {
  const TrainingOptions ours = DefaultTrainingOptions(), library, resolved = Resolve(library);
  for (const TrainingOption& option : TrainingOptionTable()) {
    const std::string name = "--" + KebabName(option), value = ToText(option, &options);
    if (!option.counts || option.counts(options) || std::ranges::find(given, name) == given.end())
      continue;
    // A file of options (--config) has all of them.
    if (value == ToText(option, &ours) || value == ToText(option, &library) ||
        value == ToText(option, &resolved))
      continue;
    std::vector<std::string_view> solvers;
    TrainingOptions other = options;
    for (size_t i = 0; i < std::size(EnumNames<Solver>::kNames); ++i) {
      other.solver = Solver(i);
      if (option.counts(other)) solvers.push_back(Name(other.solver));
    }
    if (!solvers.empty())
      LogWarning(fmt::format("{}: of the solver {}, changes nothing with {}", name,
                             fmt::join(solvers, ", "), Name(options.solver)));
  }
}

Option AddDataOption(const Command& command, std::string& data) {
  return AddSource(
      command, "--data", data,
      "digits, digits:COUNT, a folder with a folder a class (JPEG, PNG, WebP, GIF, TIFF; or .csv "
      "and "
      ".npy, a sequence each; folders in it are read, too), an IDX pair (its prefix or either "
      "file), "
      "an .npz with x and y (and classes, their names; lengths, of sequences), a .ts of sequences, "
      "a "
      ".csv (a table), or sequences that are made: parity, adding or waves, or pictures and "
      "volumes with a class for "
      "each position: blobs, blobs3d; or one with :COUNT");
}

void AddDataOptions(const Command& command, DataArgs& args) {
  AddDataOption(command, args.data).Required();
  AddSource(command, "--validation-data", args.validation_data,
            "Data to validate on; without, a part of --data is held out");
  AddNumber(command, "--validation-fraction", args.validation_fraction, kHeldOut,
            "The part of each class that is held out; 0: none");
  AddReadingOptions(command, args.reading);
}

TrainingData OpenTrainingData(const DataArgs& args, uint64_t seed) {
  return normkit::OpenTrainingData(args, ToOpenOptions(args.reading, seed));
}

std::string ChosenNetwork(const std::string& network, const DataSource& data) {
  return network == kAuto ? UsualNetwork(data) : network;
}

void AddNetworkOption(const Command& command, std::string& network) {
  std::vector<std::string> names = NetworkNames();
  names.insert(names.begin(), kAuto);
  const std::string expected = fmt::format("{} or a .json file", fmt::join(names, ", "));
  AddValue(command, "--network", "NAME", expected,
           expected +
               "; auto: small-cnn for pictures, mlp for features, lstm for sequences, cnn-lstm for "
               "those of pictures, unet for a "
               "class each position",
           [&network, expected, names](const std::string& name) {
             if (!name.ends_with(".json") && std::ranges::find(names, name) == names.end())
               Fail("{} given, expected {}{}", Quoted(name), expected, DidYouMean(name, names));
             network = name;
           })
      .Default(network);
}

void AddNormOption(const Command& command, std::string& norm) {
  AddValue(command, "--norm", "NAME", NormChoices(), NormChoices(),
           [&norm](const std::string& name) { norm = Name(ParseNormChoice(name)); })
      .Default(norm);
}

void AddNormsOption(const Command& command, std::vector<std::string>& norms) {
  AddList(command, "--norm,--norms", "NAME,...", NormChoices(),
          fmt::format("Normalizations, each {}", NormChoices()),
          [&norms](const std::vector<std::string>& names) {
            norms.clear();
            for (const std::string& name : names) norms.push_back(Name(ParseNormChoice(name)));
          })
      .Default(fmt::format("{}", fmt::join(norms, ",")));
}

void AddOverwriteFlag(const Command& command, bool& overwrite) {
  AddFlag(command, "--overwrite", overwrite,
          "Replace what an earlier run left in the folder; else that is an error");
}

}  // namespace normkit::tools
