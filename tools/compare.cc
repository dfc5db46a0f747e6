// normkit compare: the same network with each normalization, on mini-batches of each size.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/nn/networks.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/core/output_folder.h"
#include "src/report/progress.h"
#include "src/train/needs.h"
#include "src/train/option_table.h"
#include "tools/commands.h"
#include "tools/compare_report.h"
#include "tools/config_words.h"
#include "tools/interrupt.h"
#include "tools/ranks.h"
#include "tools/training_options.h"

namespace normkit::tools {
namespace {

struct CompareArgs {
  DataArgs data;
  std::string network = "auto", output = "compare";
  std::vector<std::string> norms{"none", "batch", "layer", "instance", "group:8"};
  std::vector<int64_t> batch_sizes{128, 16, 4, 2};
  int64_t seeds = 1, checkpoints = 10;
  bool scale_learn_rate = false, json = false, overwrite = false;
  int threads = 0;
  TrainingOptions options = DefaultTrainingOptions();
};

// A training that is to be done.
struct PlannedRun {
  std::string norm;
  Graph graph;
  TrainingOptions options;
  int64_t iterations = 0;

  // Trained on so far; time goes with these rather than with iterations.
  int64_t Observations(int64_t iteration) const { return iteration * options.mini_batch_size; }
};

// All of them, so that what does not fit is found before the first begins.
std::vector<PlannedRun> Plan(const CompareArgs& args, const Split& data) {
  std::vector<PlannedRun> runs;
  const double first = static_cast<double>(args.batch_sizes.front());
  for (const int64_t batch_size : args.batch_sizes)
    for (const std::string& norm : args.norms)
      for (int64_t seed = 0; seed < args.seeds; ++seed) {
        PlannedRun run{norm, MakeNetworkFor(*data.first, args.network, ParseNormChoice(norm)),
                       Resolve(args.options)};
        TrainingOptions& o = run.options;
        o.mini_batch_size = batch_size;
        o.seed += static_cast<uint64_t>(seed);
        if (args.scale_learn_rate) o.initial_learn_rate *= static_cast<double>(batch_size) / first;
        o.validation_data = data.second;
        o.output_network = OutputNetwork::kLast;  // the best of many looks flatters all of them
        o.verbose = Verbose::kOff;
        run.iterations = o.max_epochs * IterationsPerEpoch(data.first->size(), batch_size);
        o.validation_frequency = (run.iterations + args.checkpoints - 1) / args.checkpoints;
        runs.push_back(std::move(run));
      }
  return runs;
}

CompareRun Run(const PlannedRun& plan, const Split& data) {
  const TrainingOptions& o = plan.options;
  CompareRun run{.norm = plan.norm,
                 .batch_size = o.mini_batch_size,
                 .seed = o.seed,
                 .learn_rate = o.initial_learn_rate,
                 .checkpoints = {}};
  TrainingOptions options = o;
  options.on_iteration = [&](const ProgressRow& row) {
    if (row.has_validation) run.checkpoints.push_back(row);
    if (o.on_iteration) o.on_iteration(row);
  };
  options.reducer = JobReducer();
  try {
    const TrainingResult result = TrainNetwork(data.first, plan.graph, options);
    run.stopped = result.stopped;
    run.final_accuracy = result.final_validation_accuracy;
    run.final_loss = result.final_validation_loss;
    run.seconds = result.seconds;
    run.statistics_gaps = result.statistics_gaps;
  } catch (const DivergedError&) {
    run.diverged = true;
  }
  return run;
}

// Runs them one after the other, until interrupted.
std::vector<CompareRun> RunAll(std::vector<PlannedRun>& plans, const Split& data,
                               const InterruptGuard& interrupt) {
  int64_t total = 0, before = 0;
  for (const PlannedRun& plan : plans) total += plan.Observations(plan.iterations);
  ProgressLine line(total);
  std::vector<CompareRun> runs;
  for (PlannedRun& plan : plans) {
    const std::string label =
        fmt::format("{}/{} {}, batch {}, seed {}", runs.size() + 1, plans.size(), plan.norm,
                    plan.options.mini_batch_size, plan.options.seed);
    plan.options.stop = &interrupt.flag();
    plan.options.on_iteration = [&](const ProgressRow& row) {
      line.Update(before + plan.Observations(row.iteration), label,
                  fmt::format("loss {:.4f}", row.batch_loss));
    };
    CompareRun run = Run(plan, data);
    if (run.stopped) break;  // it is not whole
    runs.push_back(std::move(run));
    before += plan.Observations(plan.iterations);
  }
  return runs;
}

void Print(const CompareArgs& args, const std::vector<CompareRun>& runs) {
  if (args.json) {
    fmt::print("{}\n", CompareJson(runs));
    return;
  }
  for (const int64_t batch_size : BatchSizesOf(runs))
    fmt::print("Validation accuracy in percent by iteration, mini-batches of {}\n\n{}\n",
               batch_size, ToText(CheckpointTable(runs, batch_size)));
  fmt::print("Validation accuracy in percent at the end ({} statistics){}\n\n{}\n",
             Name(args.options.batch_normalization_statistics),
             args.seeds > 1 ? fmt::format(", mean and deviation of {} seeds", args.seeds) : "",
             ToText(FinalTable(runs)));
  if (args.seeds > 1)
    fmt::print("Lowest and highest of the seeds\n\n{}\n", ToText(RangeTable(runs)));
  const auto lines = StatisticsLines(runs, args.options.batch_normalization_statistics);
  for (const std::string& line : lines) fmt::print("{}\n", line);
  if (!lines.empty()) fmt::print("\n");
  fmt::print("Report   {0}/compare.html\nNumbers  {0}/final.csv, {0}/compare.csv\n", args.output);
}

void CheckArgs(const CompareArgs& args) {
  if (args.data.validation_fraction == 0 && args.data.validation_data.empty())
    FailUsage("--validation-fraction",
              "0 given, expected more: runs are compared "
              "on validation data");
  if (args.options.solver == Solver::kLbfgs)
    FailUsage("--solver", "'lbfgs' given, expected one of mini-batches, which are compared");
  const std::set<std::string> norms(args.norms.begin(), args.norms.end());
  if (norms.size() != args.norms.size())
    FailUsage("--norm", "one stands twice, expected each once");
  const std::set<int64_t> sizes(args.batch_sizes.begin(), args.batch_sizes.end());
  if (sizes.size() != args.batch_sizes.size())
    FailUsage("--mini-batch-size", "one stands twice, expected each once");
  if (args.options.seed > std::numeric_limits<uint64_t>::max() - static_cast<uint64_t>(args.seeds))
    FailUsage("--seed", fmt::format("'{}' given, expected one that --seeds {} can count up from",
                                    args.options.seed, args.seeds));
}

// A mini-batch that is larger takes more: of each normalization the largest is asked about.
void CheckMemory(const std::vector<PlannedRun>& plans, const TrainingData& data,
                 const FreeMemory& free) {
  std::map<std::string, const PlannedRun*> largest;
  for (const PlannedRun& plan : plans) {
    const PlannedRun*& most = largest[plan.norm];
    if (!most || plan.options.mini_batch_size > most->options.mini_batch_size) most = &plan;
  }
  for (const auto& [norm, plan] : largest) {
    MemoryNeeds needs = TrainingNeeds(plan->graph, plan->options, *data.first, data.second.get());
    needs.Add("the data", static_cast<double>(data.bytes));
    needs.Check(fmt::format("training with norm {} on '{}'", norm, data.first->Description()),
                kTakesLess, free);
  }
}

// Locks the folder and sees to it that what will be written can be, before the hours of training.
class CompareFiles {
 public:
  CompareFiles(const std::string& output, bool overwrite) : folder_(output) {
    const std::vector<std::string> present = folder_.Present({kPage, kCheckpoints, kFinal});
    if (!present.empty() && !overwrite)
      Fail(
          "{}: holds {} of an earlier comparison, expected a folder without; --overwrite replaces "
          "them",
          output, fmt::join(present, ", "));
  }

  void CheckCanSave(const std::vector<PlannedRun>& plans, int64_t checkpoints) const {
    constexpr uint64_t kRow = 256, kText = 1 << 18;  // a little above what they take
    const uint64_t rows = plans.size() * static_cast<uint64_t>(checkpoints + 1);
    folder_.CheckCanTake({{kPage, kText + 2 * rows * kRow},
                          {kCheckpoints, rows * kRow},
                          {kFinal, plans.size() * kRow}});
  }

  void Save(const std::vector<CompareRun>& runs, Statistics statistics, const std::string& about,
            const std::string& command) const {
    WriteFile(folder_ / kPage,
              ComparePage(runs, statistics, "Normalizations compared", about, command));
    WriteFile(folder_ / kCheckpoints, CompareCsv(runs));
    WriteFile(folder_ / kFinal, FinalCsv(runs));
  }

 private:
  static constexpr const char *kPage = "compare.html", *kCheckpoints = "compare.csv",
                              *kFinal = "final.csv";
  OutputFolder folder_;
};

void RunCompare(CompareArgs args, const std::string& command) {
  CheckArgs(args);
  SetNumThreads(args.threads);
  const FreeMemory free = FindFreeMemory();
  std::optional<CompareFiles> files;  // as train does
  const auto open = [&] {
    if (Leads()) files.emplace(args.output, args.overwrite);
  };
  std::error_code error;  // what cannot be looked at is not there
  if (std::filesystem::exists(args.output, error)) open();
  const TrainingData data = OpenTrainingData(args.data, args.options.seed);
  args.network = ChosenNetwork(args.network, *data.first);
  std::vector<PlannedRun> plans = Plan(args, data);
  CheckMemory(plans, data, free);
  data.Load();
  if (!files) open();
  if (files) files->CheckCanSave(plans, args.checkpoints);
  const InterruptGuard interrupt;
  LogWarning(data.summary);
  const std::vector<CompareRun> runs = RunAll(plans, data, interrupt);
  const std::string about = fmt::format(
      "{} trained on {}, validated on {}; {} epoch{}{}.", args.network, data.first->Description(),
      data.second->Description(), args.options.max_epochs, args.options.max_epochs == 1 ? "" : "s",
      args.scale_learn_rate ? ", learning rate in proportion to the mini-batch size" : "");
  if (files) files->Save(runs, args.options.batch_normalization_statistics, about, command);
  Print(args, runs);
  if (runs.size() < plans.size())
    Fail("comparison stopped after {} of {} runs", runs.size(), plans.size());
}

void AddOptions(const Command& command, CompareArgs& args) {
  AddDataOptions(command, args.data);
  AddNormsOption(command, args.norms);
  AddNumbers(command, "--mini-batch-size,--batch-size,--batch-sizes", args.batch_sizes,
             kMiniBatchSizes, "Observations an iteration");
  AddNumber(command, "--seeds", args.seeds, {1, 1000},
            "Trainings of each, with seeds from --seed on");
  AddNumber(command, "--checkpoints", args.checkpoints, {1, 1000}, "Validations of each training");
  AddFlag(
      command, "--scale-learn-rate", args.scale_learn_rate,
      "Learning rates in proportion to the batch size; the one given is that of the first size");
}

}  // namespace

void AddCompare(const Command& app) {
  auto args = std::make_shared<CompareArgs>();
  const Command command = AddCommand(
      app, "compare", "Train the same network with several normalizations and batch sizes",
      {"normkit compare --data digits --norm none,batch,group:8 --mini-batch-size 32,2",
       "normkit compare --data digits --network mlp --norm none,batch --mini-batch-size "
       "60 --seeds 3"});
  AddOptions(command, *args);
  AddNetworkOption(command, args->network);
  AddTrainingOptions(
      command, args->options,
      {"mini_batch_size", "micro_batch_size", "max_iterations", "history_size",
       "initial_inverse_hessian_factor", "initial_step_size", "line_search_method",
       "max_num_line_search_iterations", "gradient_tolerance", "step_tolerance",
       "validation_frequency", "validation_patience", "objective_metric", "output_network",
       "verbose", "verbose_frequency", "checkpoint_frequency", "checkpoint_frequency_unit"});
  AddText(command, "--output", args->output, "DIR",
          "Folder for compare.html, compare.csv and final.csv");
  AddOverwriteFlag(command, args->overwrite);
  AddConfigOptions(command);
  AddThreadsOption(command, args->threads);
  AddFlag(command, "--json", args->json, "Print all numbers as JSON instead of tables");
  command.Run([args, command] {
    RunCompare(*args,
               fmt::format("normkit compare {}", fmt::join(command.GivenOptions({"--help"}), " ")));
  });
}

}  // namespace normkit::tools
