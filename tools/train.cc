// normkit train: trains a network on data and writes the model, its history and a report.

#include "normkit/train/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/threads.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/core/text.h"
#include "src/graph/memory.h"
#include "src/nn/layers/normalization.h"
#include "src/onnx/model.h"
#include "src/report/progress.h"
#include "src/train/batches.h"
#include "src/train/needs.h"
#include "src/train/objective.h"
#include "src/train/option_table.h"
#include "src/train/progress_table.h"
#include "tools/commands.h"
#include "tools/config_words.h"
#include "tools/interrupt.h"
#include "tools/json_text.h"
#include "tools/layer_table.h"
#include "tools/live_training.h"
#include "tools/ranks.h"
#include "tools/tensorboard.h"
#include "tools/train_files.h"
#include "tools/train_from.h"
#include "tools/training_options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct TrainArgs {
  DataArgs data;
  NetworkArgs network;
  FromArgs from;
  std::string output, resume, plots = "none", tensorboard;
  int threads = 0;
  bool json = false, overwrite = false;
  bool rates_given = false;  // --initial-learn-rate or --learn-rate-schedule
  bool norm_given = false;
  TrainingOptions options = DefaultTrainingOptions();
  TrainArgs() { options.checkpoint_frequency = 1; }
};

constexpr const char* kTrainingProgress = "training-progress";

// RMS normalization alone of all norms does not bear the rate of the others: nothing keeps half of
// its outputs positive, and whole layers of ReLUs end at zero (docs/decisions.md).
constexpr double kRmsLearnRate = 0.001;

bool AllNormsAreRms(const Graph& graph) {
  int norms = 0, rms = 0;
  for (const LayerRecord& record : graph.layers())
    if (const auto* norm = dynamic_cast<const NormalizationLayer*>(record.layer.get()))
      ++norms, rms += !RowOf(norm->kind()).spec->center;
  return norms > 0 && norms == rms;
}

// What is learned already is not to be thrown away by the first steps.
constexpr double kFromLearnRate = 0.001;

void ChooseLearnRate(const Graph& graph, TrainArgs& args) {
  if (args.rates_given || !args.resume.empty()) return;
  if (!args.from.from.empty()) {
    LogWarning(fmt::format("--from: --initial-learn-rate is {} where none is given, not {}",
                           kFromLearnRate, args.options.initial_learn_rate));
    args.options.initial_learn_rate = kFromLearnRate;
    return;
  }
  if (!AllNormsAreRms(graph)) return;
  LogWarning(fmt::format(
      "rms normalization: --initial-learn-rate is {} and --learn-rate-schedule none "
      "where neither is given, not {} and {}",
      kRmsLearnRate, args.options.initial_learn_rate, Name(args.options.learn_rate_schedule)));
  args.options.initial_learn_rate = kRmsLearnRate;
  args.options.learn_rate_schedule = Schedule::kNone;
}

// Options of this run of the program; all others are those of the training, and stand in its
// checkpoints.
const std::vector<std::string> kOwnOptions = {"--help", "--output",    "--resume", "--threads",
                                              "--json", "--overwrite", "--plots",  "--tensorboard"};

void AddOptions(const Command& command, TrainArgs& args) {
  AddDataOptions(command, args.data);
  AddNetworkOption(command, args.network.network);
  AddNormOption(command, args.network.norm);
  AddFromOptions(command, args.from);
  AddTrainingOptions(command, args.options);
  command.Find("--initial-learn-rate")
      .More(fmt::format("; without it and a schedule {} throughout where all norms are rms",
                        kRmsLearnRate));
  AddText(command, "--output", args.output, "DIR",
          "Folder for model.onnx, history.csv, report.html, config.json")
      .Required();
  AddOverwriteFlag(command, args.overwrite);
  AddText(command, "--resume", args.resume, "FILE",
          "Go on from this checkpoint.npz with the options it was made with, instead of --data, "
          "--output and all others");
  command.Replaces("--resume", {"--data", "--output"});
  AddConfigOptions(command);
  AddChoice(command, "--plots", args.plots, {"none", kTrainingProgress},
            "none or training-progress: a page on this machine that shows the training as it runs, "
            "with a button that stops it");
  AddText(command, "--tensorboard", args.tensorboard, "DIR",
          "Folder for an event file that TensorBoard shows");
  AddThreadsOption(command, args.threads);
  AddFlag(command, "--json", args.json, "Print the result as JSON instead of the progress table");
}

bool IsOwn(const std::string& option) {
  return std::ranges::find(kOwnOptions, option) != kOwnOptions.end();
}

// Paths among the options of a checkpoint are those of the folder that training was started in:
// goes there, so that they and what is recorded of them stay the same. What belongs to this run
// (the checkpoint, where output goes: beside it, if nothing else is said) is made absolute first. A
// folder that is gone, because all was moved, leaves paths as those of this one.
void EnterFolderOf(const std::filesystem::path& started_in, TrainArgs& args) {
  namespace fs = std::filesystem;
  const fs::path checkpoint = args.resume;
  if (args.output.empty())
    args.output = checkpoint.has_parent_path() ? checkpoint.parent_path().string() : ".";
  std::error_code error;
  if (fs::equivalent(started_in, fs::current_path(), error)) return;
  if (!fs::is_directory(started_in, error))
    return Warn(
        "checkpoint '{}': training was started in folder '{}', which is gone; paths are "
        "taken from here",
        args.resume, started_in.string());
  args.output = fs::absolute(args.output).lexically_normal().string();
  args.resume = fs::absolute(checkpoint).lexically_normal().string();
  if (!args.tensorboard.empty())
    args.tensorboard = fs::absolute(args.tensorboard).lexically_normal().string();
  fs::current_path(started_in);
}

// What a checkpoint has to know beside the options of the training.
std::map<std::string, std::string> Notes(const TrainArgs& args) {
  std::map<std::string, std::string> notes{
      {"folder", std::filesystem::current_path().string()},
      {"data", args.data.data},
      {"validation-data", args.data.validation_data},
      {"validation-fraction", fmt::format("{}", args.data.validation_fraction)},
      {"verbose", std::string(Name(args.options.verbose))},
      {"network", args.network.network},
      {"norm", args.network.norm}};
  for (const auto& [name, value] : Describe(args.data.reading)) notes[name] = value;
  for (const auto& [name, value] : args.from.Notes()) notes[name] = value;
  for (auto& [name, note] : notes) note = BytesAsUtf8(note);
  return notes;
}

// The inverse; `args` keeps what belongs to this run.
void TakeNotes(const std::map<std::string, std::string>& notes, TrainArgs& args) {
  const auto text = [&](const char* name) {
    const auto note = notes.find(name);
    if (note == notes.end()) Fail("it has no note of '{}'", name);
    return Utf8AsBytes(note->second);
  };
  args.data.data = text("data");
  args.data.validation_data = text("validation-data");
  args.data.validation_fraction = ParseNumber<double>(text("validation-fraction"), kHeldOut);
  std::map<std::string, std::string> reading;
  for (const auto& [name, note] : notes) reading[name] = Utf8AsBytes(note);
  args.data.reading = ReadingOf(reading);
  args.from.TakeNotes(reading);
  args.options.verbose = ParseVerbose(text("verbose"));  // the library was told to be silent
  args.network = {text("network"), Name(ParseNormChoice(text("norm")))};
  EnterFolderOf(text("folder"), args);
}

// A training that ends takes its checkpoint away.
void CheckNotEnded(const std::string& checkpoint) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(checkpoint).parent_path(), model = folder / "model.onnx";
  std::error_code error;
  if (!fs::exists(checkpoint, error) && !fs::exists(folder / "checkpoint.npz", error) &&
      fs::exists(model, error))
    Fail(
        "{}: there is none, but {}: this training has ended, expected the checkpoint of one that "
        "was stopped",
        checkpoint, model.string());
}

// Puts the options that a checkpoint was made with into `args`, which holds those of this run.
void TakeOptions(TrainArgs& args) {
  CheckNotEnded(args.resume);
  const std::map<std::string, std::string> notes = ReadCheckpointNotes(args.resume);
  args.options = ReadCheckpointOptions(args.resume);
  try {
    TakeNotes(notes, args);
  } catch (const std::exception& error) {
    Fail("checkpoint '{}': not made by normkit train ({})", args.resume, error.what());
  }
}

using Settings = std::vector<std::pair<std::string, std::string>>;

// All that such a training is begun with, by the names of options, but for what is not said.
Settings SettingsOf(const TrainArgs& args) {
  Settings settings{{"data", args.data.data},
                    {"validation-data", args.data.validation_data},
                    {"validation-fraction", fmt::format("{}", args.data.validation_fraction)},
                    {"network", args.from.from.empty() ? args.network.network : ""},
                    {"norm", args.from.from.empty() ? args.network.norm : ""}};
  std::erase_if(settings, [](const auto& setting) { return setting.second.empty(); });
  for (const auto& [name, value] : Describe(args.data.reading))
    settings.emplace_back(name, value);  // of a flag: ""
  for (const auto& setting : args.from.Settings()) settings.push_back(setting);
  const TrainingOptions resolved = Resolve(args.options);
  for (const TrainingOption& option : TrainingOptionTable())
    settings.emplace_back(KebabName(option), ToText(option, &resolved));
  return settings;
}

// The command line that begins such a training.
std::string CommandLine(const TrainArgs& args) {
  TrainArgs plain;
  plain.options.checkpoint_path = args.options.checkpoint_path;
  const Settings defaults = SettingsOf(plain);
  std::string line = "normkit train";
  for (const auto& setting : SettingsOf(args)) {
    const auto& [name, value] = setting;
    // The seed is what makes a run this run.
    if (name == "seed" || std::ranges::find(defaults, setting) == defaults.end())
      line += fmt::format(" --{}{}{}", name, value.empty() ? "" : " ", ForShell(value));
  }
  return line + " --output " + args.output;
}

// The same as --config takes it.
std::string ConfigText(const TrainArgs& args) {
  nlohmann::ordered_json object;
  for (const auto& [name, value] : SettingsOf(args)) {
    const auto whole = ParseNumber<int64_t>(value);
    const auto number = ParseNumber<double>(value);
    object[name] = value.empty() ? nlohmann::ordered_json(true)
                   : whole       ? nlohmann::ordered_json(*whole)
                   : number      ? nlohmann::ordered_json(*number)
                                 : nlohmann::ordered_json(value);
  }
  return JsonText(object, 2) + "\n";
}

// Prints the table to stdout, from the first row on, and a live line to stderr while training.
class Reporter {
 public:
  Reporter(const TrainArgs& args, const TrainingData& data, const Graph& graph,
           InterruptGuard& interrupt)
      : table_(TellsClasses(graph, *data.first, args.options.loss), data.second != nullptr),
        summary_(data.summary),
        interrupt_(interrupt),
        quiet_(args.json || args.options.verbose == Verbose::kOff),
        epochs_(TotalIterations(args.options, data.first->size()) /
                IterationsPerEpoch(args.options, data.first->size())),
        line_(TotalIterations(args.options, data.first->size())) {}
  ~Reporter() {
    if (begun_) Print(table_.Rule());
  }

  // What the data are and the header wait for the first row: what is wrong before it stands alone.
  void OnRow(const ProgressRow& row) {
    if (!std::exchange(begun_, true)) {
      line_.Clear();
      LogWarning(summary_);
      Print(table_.Header());
    }
    Print(table_.Row(row));
  }
  void OnIteration(const ProgressRow& row) {
    line_.Update(row.iteration, fmt::format("epoch {}/{}", row.epoch, epochs_),
                 fmt::format("loss {:.4f}", row.batch_loss));
  }

 private:
  void Print(const std::string& text) {
    if (quiet_) return;
    line_.Clear();
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) interrupt_.OnLostOutput();
  }

  ProgressTable table_;
  std::string summary_;
  InterruptGuard& interrupt_;
  bool quiet_, begun_ = false;
  int64_t epochs_;
  ProgressLine line_;
};

// What is trained: a graph, or a network that is there.
struct Subject {
  Graph graph;
  const Beginning* beginning = nullptr;

  const Graph& trained() const { return beginning ? beginning->network().graph : graph; }
  std::string Title(const TrainArgs& args) const {
    if (beginning) return fmt::format("{}, trained on", OneLine(args.from.from));
    return fmt::format("{} with {} normalization", args.network.network, args.network.norm);
  }
};

// Those who look at a training while it runs.
struct Viewers {
  std::optional<LiveTraining> live;
  std::optional<TensorBoardLog> tensorboard;

  Viewers(const TrainArgs& args, const TrainingData& data, const Subject& subject) {
    if (!Leads()) return;
    const Graph& graph = subject.trained();
    if (!args.tensorboard.empty())
      tensorboard.emplace(args.tensorboard, TellsClasses(graph, *data.first, args.options.loss));
    if (args.plots == "none") return;
    LiveTexts texts{.title = subject.Title(args), .to_stderr = args.json};
    for (const auto& [name, value] : SettingsOf(args))
      texts.settings.emplace_back(name, BytesAsUtf8(value));
    live.emplace(texts, *data.first, graph, args.options);
  }
  void Tell(const TrainingInfo& info) {
    if (live) live->Tell(info);
    if (tensorboard) tensorboard->Tell(info);
  }
  void End(const std::string& state, const std::string& note) {
    if (live) live->End(state, note);
  }
};

TrainingResult Train(const TrainArgs& args, const TrainingData& data, const Subject& subject,
                     InterruptGuard& interrupt, Viewers& viewers) {
  Reporter reporter(args, data, subject.trained(), interrupt);
  TrainingOptions options = args.options;
  options.stop = &interrupt.flag();
  options.reducer = JobReducer();
  options.verbose = Verbose::kOff;  // it is the program that shows it, beside its line of progress
  options.on_row = [&](const ProgressRow& row) { reporter.OnRow(row); };
  options.on_iteration = [&](const ProgressRow& row) { reporter.OnIteration(row); };
  options.output_function = [&viewers](const TrainingInfo& info) {
    viewers.Tell(info);
    return false;  // Stop sets the flag
  };
  if (subject.beginning) return TrainNetwork(data.first, subject.beginning->network(), options);
  return TrainNetwork(data.first, subject.graph, options);
}

json Summary(const TrainArgs& args, const TrainingResult& result, const std::string& parting) {
  json summary{{"network", OneLine(args.network.network)},
               {"norm", args.network.norm},
               {"learnables", CountLearnables(result.network.parameters)},
               {"iterations", result.history.size()},
               {"seconds", result.seconds},
               {"peak_bytes", result.peak_bytes},
               {"stopped", result.stopped},
               {"model", args.output + "/model.onnx"}};
  if (!args.from.from.empty()) {
    summary["network"] = summary["norm"] = json();
    summary["from"] = OneLine(args.from.from);
  }
  summary["training_accuracy"] = TrainingAccuracy(result);
  if (result.has_validation) {
    summary["parting"] = parting.empty() ? json() : json(parting);
    summary["validation_accuracy"] = result.final_validation_accuracy;
    summary["validation_loss"] = result.final_validation_loss;
  }
  if (!result.statistics_gaps.empty())
    summary["statistics_gaps"] = GapsToJson(result.statistics_gaps);
  return summary;
}

void PrintSummary(const TrainArgs& args, const TrainingResult& result, const DataPtr& validation) {
  const std::string parting = validation ? DescribeParting(result, validation->size()) : "";
  if (args.json) {
    fmt::print("{}\n", JsonText(Summary(args, result, parting), 2));
    return;
  }
  const bool classification = result.of_classes;
  if (result.has_validation)
    fmt::print("Validation {}: {:.2f}{}, loss {:.4f} (final statistics)\n",
               classification ? "accuracy" : "RMSE", result.final_validation_accuracy,
               classification ? " %" : "", result.final_validation_loss);
  const std::string statistics =
      DescribeStatistics(args.options.batch_normalization_statistics, result);
  if (!statistics.empty()) fmt::print("Statistics {}\n", statistics);
  if (!parting.empty()) fmt::print("{}\n", parting);
  if (!result.converged.empty()) fmt::print("Ended    {}\n", result.converged);
  fmt::print("Trained {} iterations in {}; activations and gradients take {:.1f} MB\n",
             result.history.size(), FormatDuration(result.seconds),
             static_cast<double>(result.peak_bytes) / 1e6);
  fmt::print("Model    {0}/model.onnx\nHistory  {0}/history.csv\nReport   {0}/report.html\n",
             args.output);
}

// What a model file says of the training beside what the training says itself.
std::map<std::string, std::string> Facts(const TrainArgs& args, const Split& data) {
  std::map<std::string, std::string> facts;
  if (args.from.from.empty())
    facts = {{"network", OneLine(args.network.network)}, {"norm", args.network.norm}};
  if (args.data.reading.forecast) facts["forecast"] = "next step";  // eval needs no option for it
  if (data.second && args.data.validation_data.empty())  // eval --held-out finds the part again
    facts["validation-fraction"] = fmt::format("{}", args.data.validation_fraction);
  return facts;
}

void CheckSizes(const TrainArgs& args, const TrainingData& data, const Graph& graph,
                const FreeMemory& free) {
  CheckModelBytes(ParameterBytes(graph));
  TrainingOptions options = args.options;
  options.validation_data = data.second;
  MemoryNeeds needs = TrainingNeeds(graph, options, *data.first, data.second.get());
  needs.Add("the data", static_cast<double>(data.bytes));
  needs.Check(fmt::format("training on '{}'", data.first->Description()), kTakesLess, free);
}

// Saving what is not trained yet fails where saving what is trained would.
void CheckCanSave(const TrainFiles& files, const TrainArgs& args, const Split& data,
                  const Graph& graph) {
  Network untrained{graph, Parameters(graph), data.first->classes(), Facts(args, data)};
  untrained.facts["training-data"] = OneLine(data.first->Description());
  if (data.second) untrained.facts["validation-data"] = OneLine(data.second->Description());
  constexpr int64_t kMost = 1 << 20;  // epochs; nobody waits for more
  const int64_t per_epoch = IterationsPerEpoch(args.options, data.first->size());
  TrainingOptions options = args.options;
  options.validation_data = data.second;
  files.CheckCanSave(
      untrained, options,
      std::min(TotalIterations(args.options, data.first->size()) / per_epoch, kMost) * per_epoch);
}

// Throws Error where the training was stopped: there is more to do.
void CheckDone(const TrainingResult& result, const TrainFiles& files) {
  if (result.stopped && result.checkpointed)
    Fail("training stopped at iteration {}; go on with: normkit train --resume {}",
         result.history.size(), files.checkpoint());
  if (result.stopped) Fail("training stopped at iteration {}", result.history.size());
}

void Save(const TrainFiles& files, const TrainingResult& result, const TrainingOptions& options,
          const ReportFacts& facts) {
  try {
    files.Save(result, options, facts);
  } catch (const Error& error) {
    if (!result.checkpointed) throw;
    Fail("{}; nothing is lost, this saves it once that is mended: normkit train --resume {}",
         error.what(), files.checkpoint());
  }
}

// Where other ranks were lost their work is not, but for what came after the last checkpoint.
TrainingResult TrainAmongRanks(const TrainArgs& args, const TrainingData& data,
                               const Subject& subject, InterruptGuard& interrupt,
                               Viewers& viewers) {
  try {
    return Train(args, data, subject, interrupt, viewers);
  } catch (const LostRanksError& error) {
    const std::string& checkpoint = args.options.checkpoint_path;
    if (!std::filesystem::exists(checkpoint)) throw;
    Fail("{}; go on from the last checkpoint with: normkit train --resume {}", error.what(),
         checkpoint);
  }
}

// Saves what came of it; throws Error where it was stopped, which is said last.
void SaveAll(const TrainArgs& args, const TrainingData& data, const Subject& subject,
             const TrainFiles& files, TrainingResult& result) {
  for (const auto& [name, fact] : Facts(args, data)) result.network.facts[name] = fact;
  if (subject.beginning)
    for (const auto& [name, fact] : subject.beginning->Facts()) result.network.facts[name] = fact;
  Save(files, result, args.options,
       {subject.Title(args), CommandLine(args), ConfigText(args), data.first, data.second});
  PrintSummary(args, result, data.second);
  CheckDone(result, files);
  files.RemoveCheckpoint();
}

// Of the ranks of a job one has files: rank 0.
void TrainAndSave(TrainArgs& args, const TrainingData& data, const Subject& subject,
                  const TrainFiles* files) {
  args.options.checkpoint_path = files                 ? files->checkpoint()
                                 : args.resume.empty() ? args.output + "/checkpoint.npz"
                                                       : args.resume;
  args.options.validation_data = data.second;
  args.options.resume_from = args.resume;
  args.options.checkpoint_notes = Notes(args);
  InterruptGuard interrupt;  // until all is written: a terminal is closed with several signals
  Viewers viewers(args, data, subject);
  bool stopped = false;
  try {
    TrainingResult result = TrainAmongRanks(args, data, subject, interrupt, viewers);
    stopped = result.stopped;
    if (!files) {
      if (stopped) Fail("training stopped");  // as rank 0 says in more words
      return;
    }
    SaveAll(args, data, subject, *files, result);
  } catch (const std::exception& error) {
    viewers.End(stopped ? "stopped" : "failed", error.what());
    throw;
  }
  viewers.End("done", fmt::format("Model {0}/model.onnx, report {0}/report.html", args.output));
}

Subject MakeSubject(TrainArgs& args, std::optional<Beginning>& beginning, TrainingData& data) {
  if (!beginning) {
    args.network.network = ChosenNetwork(args.network.network, *data.first);
    // Volumes come few at a time, and statistics of few observations tell little.
    if (args.network.network == "unet" && !args.norm_given && args.resume.empty())
      args.network.norm = "instance";
    return {MakeNetworkFor(*data.first, args.network.network, ParseNormChoice(args.network.norm))};
  }
  beginning->Fit(args.from, args.data.reading, args.options.seed, data);
  return {beginning->network().graph, &*beginning};
}

void RunTrain(TrainArgs args) {
  if (!args.resume.empty()) TakeOptions(args);
  args.options.checkpoint_path = "checkpoint.npz";  // until its folder is known
  SetNumThreads(args.threads);
  const FreeMemory free = FindFreeMemory();  // before the data, which are counted
  // A folder that is there is looked at before the data are, one that is not is made after: the
  // data may lie around it.
  std::optional<TrainFiles> files;
  const auto open = [&] {
    if (Leads()) files.emplace(args.output, args.resume, args.overwrite);
  };
  std::error_code error;  // what cannot be looked at is not there
  if (std::filesystem::exists(args.output, error)) open();
  CheckFrom(args.from);
  std::optional<Beginning> beginning;
  if (!args.from.from.empty()) beginning.emplace(args.from, args.data.reading);
  TrainingData data = OpenTrainingData(args.data, args.options.seed);
  const Subject subject = MakeSubject(args, beginning, data);
  ChooseLearnRate(subject.graph, args);
  CheckSizes(args, data, subject.graph, free);
  data.Load();
  if (!files) open();
  if (files && beginning) files->BeginWith(&beginning->file());
  if (files) CheckCanSave(*files, args, data, subject.graph);
  TrainAndSave(args, data, subject, files ? &*files : nullptr);
}

}  // namespace

void AddTrain(const Command& app) {
  auto args = std::make_shared<TrainArgs>();
  const Command command = AddCommand(
      app, "train", "Train a network; write the model, its history and a report",
      {"normkit train --data digits --output out",
       "normkit train --from out/model.onnx --data letters/ --freeze 'conv*' --output more",
       "normkit train --data photos/ --network resnet-tiny --norm group:8 --output out",
       "normkit train --resume out/checkpoint.npz   # one that was stopped: Ctrl-C, a "
       "lost terminal"});
  AddOptions(command, *args);
  for (const std::string& option : command.OptionNames())
    if (!IsOwn(option)) command.Find("--resume").Excludes(command.Find(option));
  command.Run([args, command] {
    const std::vector<std::string> given = command.GivenOptions(kOwnOptions);
    for (const char* option : {"--initial-learn-rate", "--learn-rate-schedule"})
      args->rates_given |= std::ranges::find(given, option) != given.end();
    if (args->resume.empty()) WarnOfOtherSolvers(args->options, given);
    args->norm_given = std::ranges::find(given, "--norm") != given.end();
    RunTrain(*args);
  });
}

}  // namespace normkit::tools
