// normkit train: trains a network on data and writes the model, its history and a report.

#include "normkit/train/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/onnx/onnx.h"
#include "normkit/report/progress.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/layer_table.h"
#include "tools/progress_table.h"
#include "tools/train_report.h"
#include "tools/training_options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct TrainArgs {
  DataArgs data;
  NetworkArgs network;
  std::string output, resume;
  int threads = 0;
  bool json = false;
  TrainingOptions options = DefaultTrainingOptions();
  TrainArgs() { options.checkpoint_frequency = 1; }
};

// Options of this run of the program; all others are those of the training, and stand in its
// checkpoints.
const std::vector<std::string> kOwnOptions = {"--help", "--output", "--resume", "--threads",
                                              "--json"};

void AddOptions(CLI::App& command, TrainArgs& args) {
  AddDataOptions(command, args.data);
  AddNetworkOption(command, args.network.network);
  AddNormOption(command, args.network.norm);
  AddTrainingOptions(command, args.options);
  AddReportingOptions(command, args.options);
  command.add_option("--output", args.output, "Folder for model.onnx, history.csv, report.html")
      ->option_text("DIR");
  command
      .add_option("--resume", args.resume,
                  "Go on from this checkpoint.npz with the options it was made with")
      ->option_text("FILE");
  AddThreadsOption(command, args.threads);
  command.add_flag("--json", args.json, "Print the result as JSON instead of the progress table");
}

bool IsOwn(const CLI::Option& option) {
  return std::find(kOwnOptions.begin(), kOwnOptions.end(), option.get_name()) != kOwnOptions.end();
}

// Puts the options that a checkpoint was made with into `args`, which holds those of this run.
std::vector<std::string> TakeOptions(TrainArgs& args) {
  const std::map<std::string, std::string> notes = ReadCheckpointNotes(args.resume);
  const auto text = notes.find("options");
  const json words = text == notes.end() ? json() : json::parse(text->second, nullptr, false);
  try {
    auto made_with = words.get<std::vector<std::string>>();
    TrainArgs made;
    CLI::App command;
    AddOptions(command, made);
    std::vector<std::string> reversed(made_with.rbegin(), made_with.rend());  // as CLI11 wants it
    command.parse(reversed);
    made.output = args.output.empty() ? notes.at("output") : args.output;
    made.resume = args.resume;
    made.threads = args.threads;
    made.json = args.json;
    args = std::move(made);
    return made_with;
  } catch (const std::exception& error) {
    Fail("checkpoint '{}': not made by normkit train ({})", args.resume, error.what());
  }
}

std::string CommandLine(const std::vector<std::string>& words, const TrainArgs& args) {
  return fmt::format("normkit train {} --output {}", fmt::join(words, " "), args.output);
}

// Prints the table to stdout and a live line to stderr while training.
class Reporter {
 public:
  Reporter(const TrainArgs& args, const Split& data)
      : table_(!data.first->classes().empty(), data.second != nullptr),
        quiet_(args.json),
        epochs_(args.options.max_epochs),
        line_(args.options.max_epochs *
              IterationsPerEpoch(data.first->size(), args.options.mini_batch_size)) {
    Print(table_.Header());
  }
  ~Reporter() { Print(table_.Rule()); }

  void OnRow(const ProgressRow& row) { Print(table_.Row(row)); }
  void OnIteration(const ProgressRow& row) {
    line_.Update(row.iteration, fmt::format("epoch {}/{}", row.epoch, epochs_),
                 fmt::format("loss {:.4f}", row.batch_loss));
  }

 private:
  void Print(const std::string& text) {
    if (quiet_) return;
    line_.Clear();
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  ProgressTable table_;
  bool quiet_;
  int64_t epochs_;
  ProgressLine line_;
};

TrainingResult Train(TrainArgs& args, const Split& data, const Graph& graph) {
  Reporter reporter(args, data);
  const InterruptGuard interrupt;
  TrainingOptions options = args.options;
  options.stop = &interrupt.flag();
  options.on_row = [&](const ProgressRow& row) { reporter.OnRow(row); };
  options.on_iteration = [&](const ProgressRow& row) { reporter.OnIteration(row); };
  return TrainNetwork(data.first, graph, options);
}

json Summary(const TrainArgs& args, const TrainingResult& result) {
  json summary{{"network", args.network.network},
               {"norm", args.network.norm},
               {"learnables", CountLearnables(result.network.parameters)},
               {"iterations", result.history.size()},
               {"seconds", result.seconds},
               {"peak_bytes", result.peak_bytes},
               {"stopped", result.stopped},
               {"model", args.output + "/model.onnx"}};
  if (result.has_validation) {
    summary["validation_accuracy"] = result.final_validation_accuracy;
    summary["validation_loss"] = result.final_validation_loss;
  }
  return summary;
}

void PrintSummary(const TrainArgs& args, const TrainingResult& result) {
  if (args.json) {
    fmt::print("{}\n", Summary(args, result).dump(2));
    return;
  }
  const bool classification = !result.network.classes.empty();
  if (result.has_validation)
    fmt::print("Validation {}: {:.2f}{}, loss {:.4f} (final statistics)\n",
               classification ? "accuracy" : "RMSE", result.final_validation_accuracy,
               classification ? " %" : "", result.final_validation_loss);
  fmt::print("Trained {} iterations in {}; activations and gradients take {:.1f} MB\n",
             result.history.size(), FormatDuration(result.seconds),
             static_cast<double>(result.peak_bytes) / 1e6);
  fmt::print("Model    {0}/model.onnx\nHistory  {0}/history.csv\nReport   {0}/report.html\n",
             args.output);
}

void RunTrain(TrainArgs args, std::vector<std::string> words) {
  if (!args.resume.empty()) words = TakeOptions(args);
  if (args.data.data.empty()) throw CLI::RequiredError("--data");
  if (args.output.empty()) throw CLI::RequiredError("--output");
  const std::string checkpoint = args.output + "/checkpoint.npz";
  args.options.checkpoint_path = checkpoint;
  CheckTrainingOptions(args.options);
  SetNumThreads(args.threads);
  const Split data = OpenTrainingData(args.data, args.options.seed);
  const Graph graph = BuildNetwork(args.network, *data.first);
  MakeFolder(args.output);

  args.options.validation_data = data.second;
  args.options.resume_from = args.resume;
  args.options.checkpoint_notes = {{"options", json(words).dump()}, {"output", args.output}};
  TrainingResult result = Train(args, data, graph);
  result.network.facts["network"] = args.network.network;
  result.network.facts["norm"] = args.network.norm;
  if (data.second && args.data.validation_data.empty())  // eval --held-out finds the part again
    result.network.facts["validation-fraction"] = fmt::format("{}", args.data.validation_fraction);

  SaveOnnx(result.network, args.output + "/model.onnx");
  WriteFile(args.output + "/history.csv", HistoryCsv(result.history));
  const std::string title =
      fmt::format("{} with {} normalization", args.network.network, args.network.norm);
  WriteFile(args.output + "/report.html",
            TrainReport(result, args.options,
                        {title, CommandLine(words, args), data.first, data.second}));
  PrintSummary(args, result);
  if (result.stopped)
    Fail("training stopped at iteration {}; go on with: normkit train --resume {}",
         result.history.size(), checkpoint);
  std::remove(checkpoint.c_str());
}

}  // namespace

void AddTrain(CLI::App& app) {
  auto args = std::make_shared<TrainArgs>();
  CLI::App& command =
      AddCommand(app, "train", "Train a network; write the model, its history and a report",
                 {"normkit train --data digits --output out",
                  "normkit train --data photos/ --network resnet-tiny --norm group:8 --output out",
                  "normkit train --resume out/checkpoint.npz"});
  AddOptions(command, *args);
  CLI::Option* resume = command.get_option("--resume");
  for (CLI::Option* option : command.get_options())
    if (!IsOwn(*option)) resume->excludes(option);
  command.callback([args, &command] { RunTrain(*args, GivenOptions(command, kOwnOptions)); });
}

}  // namespace normkit::tools
