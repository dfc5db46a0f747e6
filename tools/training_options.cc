#include "tools/training_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "normkit/nn/networks.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit::tools {
namespace {

// An option whose value is one of the names of an enumeration.
template <class E>
void AddEnum(CLI::App& command, const std::string& name, E& value, E (*parse)(std::string_view),
             const std::string& description) {
  command
      .add_option_function<std::string>(
          name,
          [&value, name, parse](const std::string& text) {
            value = Checked(name, [&] { return parse(text); });
          },
          description)
      ->default_str(std::string(Name(value)));
}

template <class T>
void AddNumber(CLI::App& command, const std::string& name, T& value,
               const std::string& description) {
  command.add_option(name, value, description)->default_str(fmt::format("{}", value));
}

// A number of which 0 means what the description says.
void AddNumberOrDefault(CLI::App& command, const std::string& name, double& value,
                        const std::string& zero, const std::string& description) {
  command.add_option(name, value, description)
      ->default_str(value == 0 ? zero : fmt::format("{}", value));
}

bool IsFile(const std::string& network) { return network.ends_with(".json"); }

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

void AddTrainingOptions(CLI::App& command, TrainingOptions& o) {
  AddEnum(command, "--solver", o.solver, ParseSolver, "sgdm, adam or rmsprop");
  AddNumber(command, "--max-epochs", o.max_epochs, "Passes over the training data");
  AddNumber(command, "--mini-batch-size", o.mini_batch_size, "Observations an iteration");
  AddNumberOrDefault(command, "--initial-learn-rate", o.initial_learn_rate,
                     "0.01 for sgdm, else 0.001", "Learning rate at the start");
  AddEnum(command, "--learn-rate-schedule", o.learn_rate_schedule, ParseSchedule,
          "none, piecewise or cosine");
  AddNumber(command, "--learn-rate-drop-period", o.learn_rate_drop_period,
            "piecewise: epochs between drops");
  AddNumber(command, "--learn-rate-drop-factor", o.learn_rate_drop_factor,
            "piecewise: what a drop multiplies by");
  AddNumber(command, "--momentum", o.momentum, "sgdm: part of the last step that is kept");
  AddNumber(command, "--gradient-decay-factor", o.gradient_decay_factor,
            "adam: decay of the gradient's moving average");
  AddNumberOrDefault(command, "--squared-gradient-decay-factor", o.squared_gradient_decay_factor,
                     "0.999 for adam, 0.9 for rmsprop",
                     "adam, rmsprop: decay of the squared gradient's moving average");
  AddNumber(command, "--solver-epsilon", o.solver_epsilon,
            "adam, rmsprop: added to the denominator");
  AddNumber(command, "--l2-regularization", o.l2_regularization, "Weight decay in the gradient");
  AddNumberOrDefault(command, "--gradient-threshold", o.gradient_threshold, "none",
                     "Gradients are clipped to this");
  AddEnum(command, "--gradient-threshold-method", o.gradient_threshold_method,
          ParseGradientThresholdMethod,
          "l2norm (of each parameter), global-l2norm or absolute-value");
  AddEnum(command, "--shuffle", o.shuffle, ParseShuffle, "never, once or every-epoch");
  AddEnum(command, "--batch-normalization-statistics", o.batch_normalization_statistics,
          ParseStatistics, "moving, population or population-exact: what prediction uses");
  AddEnum(command, "--loss", o.loss, ParseLoss, "auto, cross-entropy or mean-squared-error");
  AddNumber(command, "--seed", o.seed, "Of initial weights, order of the data, dropout, split");
}

void AddReportingOptions(CLI::App& command, TrainingOptions& o) {
  AddNumber(command, "--validation-frequency", o.validation_frequency,
            "Iterations between validations");
  AddNumber(command, "--validation-patience", o.validation_patience,
            "Validations without a lower loss before training ends; 0: never");
  AddNumber(command, "--verbose-frequency", o.verbose_frequency,
            "Iterations between rows of the progress table");
  AddNumber(command, "--checkpoint-frequency", o.checkpoint_frequency,
            "Epochs between checkpoints; 0: only when stopped");
}

void CheckTrainingOptions(const TrainingOptions& options) {
  try {
    Resolve(options);
  } catch (const Error& error) {
    // "training options: max_epochs is 0, expected ...": the option as it was typed.
    const std::string text = error.what();
    const size_t name_begin = text.find(": ") + 2, name_end = text.find(" is ");
    std::string name = "--" + text.substr(name_begin, name_end - name_begin);
    std::replace(name.begin(), name.end(), '_', '-');
    const size_t comma = text.find(", expected");
    throw CLI::ValidationError(
        name, text.substr(name_end + 4, comma - name_end - 4) + " given" + text.substr(comma));
  }
}

CLI::Option* AddDataOption(CLI::App& command, std::string& data) {
  return command
      .add_option(
          "--data", data,
          "digits, digits:COUNT, a folder with a folder a class, the prefix of an IDX pair, "
          "or an .npz with x and y (and classes, their names)")
      ->option_text("SOURCE");
}

void AddDataOptions(CLI::App& command, DataArgs& args) {
  AddDataOption(command, args.data);
  command
      .add_option("--validation-data", args.validation_data,
                  "Data to validate on; without, a part of --data is held out")
      ->option_text("SOURCE");
  command
      .add_option("--validation-fraction", args.validation_fraction,
                  "The part of each class that is held out; 0: none")
      ->default_str(fmt::format("{}", args.validation_fraction))
      ->check(CLI::Range(0.0, 0.9));
}

Split OpenTrainingData(const DataArgs& args, uint64_t seed) {
  const DataPtr data = OpenData(args.data, {.seed = seed});
  if (args.validation_data.empty())
    return args.validation_fraction == 0 ? Split{data, nullptr}
                                         : SplitData(data, args.validation_fraction, seed);
  const auto shape = data->layout().shape();
  OpenOptions options{.seed = seed};
  if (data->layout().format() == "BSSC")
    options = {.seed = seed, .height = shape[1], .width = shape[2], .channels = shape[3]};
  return {data, OpenData(args.validation_data, options)};
}

void AddNetworkOption(CLI::App& command, std::string& network) {
  command
      .add_option("--network", network,
                  fmt::format("{}, or a .json file", fmt::join(NetworkNames(), ", ")))
      ->default_str(network)
      ->check([](const std::string& name) -> std::string {
        const auto& names = NetworkNames();
        if (IsFile(name) || std::find(names.begin(), names.end(), name) != names.end()) return "";
        return fmt::format("'{}' given, expected {} or a .json file{}", name,
                           fmt::join(names, ", "), DidYouMean(name, names));
      });
}

void AddNormOption(CLI::App& command, std::string& norm) {
  command
      .add_option("--norm", norm, "none, batch, layer, layer:DIMENSION, instance, group:G or rms")
      ->default_str(norm)
      ->check([](const std::string& name) -> std::string {
        try {
          ParseNormChoice(name);
        } catch (const Error& error) {
          return error.what();
        }
        return "";
      });
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

void AddThreadsOption(CLI::App& command, int& threads) {
  command.add_option("--threads", threads, "Threads; the results are the same for any number")
      ->default_str("all processors")
      ->check(CLI::Range(1, 1024));
}

std::vector<std::string> GivenOptions(const CLI::App& command,
                                      const std::vector<std::string>& except) {
  std::vector<std::string> words;
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0 || std::find(except.begin(), except.end(), name) != except.end())
      continue;
    words.push_back(name);
    const bool flag = option->get_expected_min() == 0;
    if (!flag) words.push_back(fmt::format("{}", fmt::join(option->results(), ",")));
  }
  return words;
}

}  // namespace normkit::tools
