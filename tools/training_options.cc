#include "tools/training_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "normkit/nn/networks.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/train/option_table.h"

namespace normkit::tools {
namespace {

constexpr NumberRange<int64_t> kDrawnDigits{1, 100'000'000};

// The name of data: a wrong number in it is a wrong command line, not data that are not there.
Option AddSource(const Command& command, const std::string& name, std::string& data,
                 const std::string& description) {
  return AddValue(command, name, "SOURCE", "digits[:COUNT], a folder, an IDX pair or an .npz",
                  description, [&data](const std::string& text) {
                    constexpr std::string_view kDigits = "digits:";
                    if (text.starts_with(kDigits))
                      ParseNumber(text.substr(kDigits.size()), kDrawnDigits);
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
  return options;
}

void AddTrainingOptions(const Command& command, TrainingOptions& options,
                        const std::vector<std::string>& except) {
  for (const TrainingOption& option : TrainingOptionTable())
    if (std::ranges::find(except, option.name) == except.end())
      AddProperty(command, "--" + KebabName(option), option, &options);
}

Option AddDataOption(const Command& command, std::string& data) {
  return AddSource(
      command, "--data", data,
      "digits, digits:COUNT, a folder with a folder a class (JPEG, PNG, WebP, GIF, TIFF; folders "
      "in it are read, too), an IDX pair (its prefix or either file), or an .npz with x and y (and "
      "classes, their names)");
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

void AddNetworkOption(const Command& command, std::string& network) {
  const std::string expected = fmt::format("{} or a .json file", fmt::join(NetworkNames(), ", "));
  AddValue(command, "--network", "NAME", expected, expected,
           [&network, expected](const std::string& name) {
             const std::vector<std::string>& names = NetworkNames();
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
