#include "tools/training_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "normkit/nn/networks.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/train/option_ranges.h"

namespace normkit::tools {
namespace {

constexpr NumberRange<double> kAboveZeroBelowOne{
    .low = 0, .high = 1, .open_low = true, .open_high = true};

constexpr NumberRange<int64_t> kDrawnDigits{1, 100'000'000};

bool IsFile(const std::string& network) { return network.ends_with(".json"); }

// The name of data: a wrong number in it is a wrong command line, not data that are not there.
Option AddSource(const Command& command, const std::string& name, std::string& data,
                 const std::string& description) {
  return AddValue(command, name, "SOURCE", "data, as --help says", description,
                  [&data](const std::string& text) {
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
  return options;
}

void AddTrainingOptions(const Command& command, TrainingOptions& o) {
  AddEnum(command, "--solver", o.solver, ParseSolver, "sgdm, adam or rmsprop");
  AddNumber(command, "--max-epochs", o.max_epochs, kEpochs, "Passes over the training data");
  AddNumber(command, "--initial-learn-rate", o.initial_learn_rate, kAboveZero,
            "Learning rate at the start; auto: 0.01 for sgdm, else 0.001", {"auto", 0});
  AddEnum(command, "--learn-rate-schedule", o.learn_rate_schedule, ParseSchedule,
          "none, piecewise or cosine");
  AddNumber(command, "--learn-rate-drop-period", o.learn_rate_drop_period, kCount,
            "piecewise: epochs between drops");
  AddNumber(command, "--learn-rate-drop-factor", o.learn_rate_drop_factor, kZeroToOne,
            "piecewise: what a drop multiplies by");
  AddNumber(command, "--momentum", o.momentum, kBelowOne,
            "sgdm: part of the last step that is kept");
  AddNumber(command, "--gradient-decay-factor", o.gradient_decay_factor, kBelowOne,
            "adam: decay of the gradient's moving average");
  AddNumber(command, "--squared-gradient-decay-factor", o.squared_gradient_decay_factor,
            kAboveZeroBelowOne,
            "adam, rmsprop: decay of the squared gradient's moving average; auto: 0.999 for adam, "
            "0.9 for rmsprop",
            {"auto", 0});
  AddNumber(command, "--solver-epsilon", o.solver_epsilon, kAboveZero,
            "adam, rmsprop: added to the denominator");
  AddNumber(command, "--l2-regularization", o.l2_regularization, kZeroOrMore,
            "Weight decay in the gradient");
  AddNumber(command, "--gradient-threshold", o.gradient_threshold, kAboveZero,
            "Gradients are clipped to this; inf: they are not", {"inf", 0});
  AddEnum(command, "--gradient-threshold-method", o.gradient_threshold_method,
          ParseGradientThresholdMethod,
          "l2norm (of each parameter), global-l2norm or absolute-value");
  AddEnum(command, "--shuffle", o.shuffle, ParseShuffle, "never, once or every-epoch");
  AddEnum(command, "--batch-normalization-statistics", o.batch_normalization_statistics,
          ParseStatistics, "auto, moving, population or population-exact: what prediction uses");
  AddEnum(command, "--loss", o.loss, ParseLoss, "auto, cross-entropy or mean-squared-error");
  AddNumber(command, "--seed", o.seed, {}, "Of initial weights, order of the data, dropout, split");
}

void AddMiniBatchSizeOption(const Command& command, int64_t& size) {
  AddNumber(command, "--mini-batch-size", size, kCount, "Observations an iteration");
}

void AddReportingOptions(const Command& command, TrainingOptions& o) {
  AddNumber(command, "--validation-frequency", o.validation_frequency, kCount,
            "Iterations between validations");
  AddNumber(command, "--validation-patience", o.validation_patience, kCountOrNone,
            "Validations without a lower loss before training ends; 0 or inf: never", {"inf", 0});
  AddNumber(command, "--verbose-frequency", o.verbose_frequency, kCount,
            "Iterations between rows of the progress table");
  AddNumber(command, "--checkpoint-frequency", o.checkpoint_frequency, kCountOrNone,
            "Epochs between checkpoints; 0 or inf: only when stopped", {"inf", 0});
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

namespace {

// A part of the data is held out for validation, or nothing.
Split HoldOut(const DataPtr& data, double fraction, uint64_t seed) {
  if (fraction == 0) return {data, nullptr};
  Split split = SplitData(data, fraction, seed);
  if (split.second->size() == 0)
    Fail(
        "data '{}': nothing is held out of it by --validation-fraction {}, expected two "
        "observations of a class; give more data, --validation-data, or --validation-fraction 0",
        data->Description(), fraction);
  return split;
}

// Read as the training data are.
DataPtr OpenValidationData(const DataArgs& args, const DataSource& training, uint64_t seed) {
  OpenOptions options = ToOpenOptions(args.reading, seed);
  if (training.layout().format() == "BSSC") {
    const std::vector<int64_t> shape = training.layout().shape();
    options.height = shape[1];
    options.width = shape[2];
    options.channels = shape[3];
  }
  return WithClasses(OpenData(args.validation_data, options), training.classes());
}

}  // namespace

TrainingData OpenTrainingData(const DataArgs& args, uint64_t seed) {
  const DataPtr data = OpenData(args.data, ToOpenOptions(args.reading, seed));
  if (data->classes().size() == 1)
    Fail("data '{}': has one class, '{}', expected two or more: a folder a class, or class numbers",
         data->Description(), data->classes()[0]);
  if (args.validation_data.empty())
    return {HoldOut(data, args.validation_fraction, seed), data->Summary(), data->MemoryBytes()};
  const DataPtr validation = OpenValidationData(args, *data, seed);
  return {{data, validation},
          data->Summary() + "; validation: " + validation->Summary(),
          data->MemoryBytes() + validation->MemoryBytes()};
}

void LoadTrainingData(const TrainingData& data) {
  data.first->Load();
  if (data.second) data.second->Load();
}

void AddNetworkOption(const Command& command, std::string& network) {
  const std::string expected = fmt::format("{} or a .json file", fmt::join(NetworkNames(), ", "));
  AddValue(command, "--network", "NAME", expected, expected,
           [&network, expected](const std::string& name) {
             const std::vector<std::string>& names = NetworkNames();
             if (!IsFile(name) && std::ranges::find(names, name) == names.end())
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

Graph BuildNetwork(const NetworkArgs& args, const DataSource& data) {
  const bool images = data.layout().format() == "BSSC";
  if (!images && !IsFile(args.network))
    Fail("network '{}' takes images, BSSC, '{}' has {}; describe another in a .json file",
         args.network, data.Description(), data.layout().ToString());
  if (data.target_size() > 0 && !IsFile(args.network))
    Fail("network '{}' tells classes apart, '{}' has targets; describe another in a .json file",
         args.network, data.Description());
  NetworkPurpose purpose;
  const std::vector<int64_t> shape = data.layout().shape();
  if (images) purpose.input_size = {shape[1], shape[2], shape[3]};
  purpose.num_classes = static_cast<int64_t>(data.classes().size());
  return BuildNetwork(args, purpose);
}

Graph BuildNetwork(const NetworkArgs& args, NetworkPurpose purpose) {
  purpose.norm = ParseNormChoice(args.norm);
  return IsFile(args.network) ? ReadNetworkJson(args.network, purpose)
                              : MakeNetwork(args.network, purpose);
}

void AddOverwriteFlag(const Command& command, bool& overwrite) {
  AddFlag(command, "--overwrite", overwrite,
          "Replace what an earlier run left in the folder; else that is an error");
}

}  // namespace normkit::tools
