// normkit compare: the same network with each normalization, on mini-batches of each size.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/nn/networks.h"
#include "normkit/report/progress.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "tools/commands.h"
#include "tools/compare_report.h"
#include "tools/interrupt.h"
#include "tools/training_options.h"

namespace normkit::tools {
namespace {

struct CompareArgs {
  DataArgs data;
  std::string network = "small-cnn", output = "compare";
  std::vector<std::string> norms{"none", "batch", "layer", "instance", "group:8"};
  std::vector<int64_t> batch_sizes{128, 16, 4, 2};
  int64_t seeds = 1, checkpoints = 10;
  bool scale_learn_rate = false, json = false;
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
        PlannedRun run{norm, BuildNetwork({args.network, norm}, *data.first),
                       Resolve(args.options)};
        TrainingOptions& o = run.options;
        o.mini_batch_size = batch_size;
        o.seed += static_cast<uint64_t>(seed);
        if (args.scale_learn_rate) o.initial_learn_rate *= static_cast<double>(batch_size) / first;
        o.validation_data = data.second;
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
  try {
    const TrainingResult result = TrainNetwork(data.first, plan.graph, options);
    run.final_accuracy = result.final_validation_accuracy;
    run.final_loss = result.final_validation_loss;
    run.seconds = result.seconds;
  } catch (const DivergedError&) {
    run.diverged = true;
  }
  return run;
}

// Runs them one after the other, until interrupted.
std::vector<CompareRun> RunAll(std::vector<PlannedRun>& plans, const Split& data) {
  const InterruptGuard interrupt;
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
    if (interrupt.flag()) break;  // it is not whole
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
  fmt::print("Report   {0}/compare.html\nNumbers  {0}/final.csv, {0}/compare.csv\n", args.output);
}

void CheckArgs(const CompareArgs& args) {
  if (args.data.data.empty()) throw CLI::RequiredError("--data");
  if (args.data.validation_fraction == 0 && args.data.validation_data.empty())
    throw CLI::ValidationError("--validation-fraction",
                               "0 given, expected more: runs are compared "
                               "on validation data");
  for (const std::string& norm : args.norms)
    Checked("--norms", [&] { return ParseNormChoice(norm); });
  const std::set<std::string> norms(args.norms.begin(), args.norms.end());
  if (norms.size() != args.norms.size())
    throw CLI::ValidationError("--norms", "one stands twice, expected each once");
  const std::set<int64_t> sizes(args.batch_sizes.begin(), args.batch_sizes.end());
  if (sizes.size() != args.batch_sizes.size())
    throw CLI::ValidationError("--batch-sizes", "one stands twice, expected each once");
  CheckTrainingOptions(args.options);
}

void RunCompare(const CompareArgs& args, const std::string& command) {
  CheckArgs(args);
  SetNumThreads(args.threads);
  const Split data = OpenTrainingData(args.data, args.options.seed);
  std::vector<PlannedRun> plans = Plan(args, data);
  MakeFolder(args.output);
  const std::vector<CompareRun> runs = RunAll(plans, data);
  const std::string about = fmt::format(
      "{} trained on {}, validated on {}; {} epoch{}{}.", args.network, data.first->Description(),
      data.second->Description(), args.options.max_epochs, args.options.max_epochs == 1 ? "" : "s",
      args.scale_learn_rate ? ", learning rate in proportion to the mini-batch size" : "");
  WriteFile(args.output + "/compare.html",
            ComparePage(runs, "Normalizations compared", about, command));
  WriteFile(args.output + "/compare.csv", CompareCsv(runs));
  WriteFile(args.output + "/final.csv", FinalCsv(runs));
  Print(args, runs);
  if (runs.size() < plans.size())
    Fail("comparison stopped after {} of {} runs", runs.size(), plans.size());
}

void AddOptions(CLI::App& command, CompareArgs& args) {
  AddDataOptions(command, args.data);
  command.add_option("--norms", args.norms, "Normalizations, as in train --norm")
      ->delimiter(',')
      ->option_text("A,B,...");
  command.add_option("--batch-sizes", args.batch_sizes, "Mini-batch sizes")
      ->delimiter(',')
      ->option_text("N,M,...")
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--seeds", args.seeds, "Trainings of each, with seeds from --seed on")
      ->default_str("1")
      ->check(CLI::Range(1, 1000));
  command.add_option("--checkpoints", args.checkpoints, "Validations of each training")
      ->default_str("10")
      ->check(CLI::Range(1, 1000));
  command.add_flag("--scale-learn-rate", args.scale_learn_rate,
                   "Learning rates in proportion to the batch size; the one given is that of the "
                   "first size");
}

}  // namespace

void AddCompare(CLI::App& app) {
  auto args = std::make_shared<CompareArgs>();
  CLI::App& command = AddCommand(
      app, "compare", "Train the same network with several normalizations and batch sizes",
      {"normkit compare --data digits --norms none,batch,group:8 --batch-sizes 32,2",
       "normkit compare --data digits --network mlp --norms none,batch --batch-sizes 60 --seeds "
       "3"});
  AddOptions(command, *args);
  AddNetworkOption(command, args->network);
  AddTrainingOptions(command, args->options);
  command.remove_option(command.get_option("--mini-batch-size"));  // --batch-sizes
  command
      .add_option("--output", args->output, "Folder for compare.html, compare.csv and final.csv")
      ->default_str(args->output)
      ->option_text("DIR");
  AddThreadsOption(command, args->threads);
  command.add_flag("--json", args->json, "Print all numbers as JSON instead of tables");
  command.callback([args, &command] {
    RunCompare(*args, fmt::format("normkit compare {}",
                                  fmt::join(GivenOptions(command, {"--help"}), " ")));
  });
}

}  // namespace normkit::tools
