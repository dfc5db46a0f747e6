// normkit eval: how good a model is on data.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/train/train.h"
#include "src/core/log.h"
#include "src/core/numbers.h"
#include "src/report/report.h"
#include "src/train/held_out.h"
#include "src/train/needs.h"
#include "src/train/objective.h"
#include "src/train/option_table.h"
#include "tools/commands.h"
#include "tools/data_options.h"
#include "tools/json_text.h"
#include "tools/model_facts.h"
#include "tools/model_options.h"
#include "tools/ranks.h"
#include "tools/training_options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct EvalArgs : MeasureArgs {
  std::optional<double> validation_fraction;
  bool held_out = false;
};

// As training did, so that the sums are the same to the bit.
int64_t BatchSize(const EvalArgs& args, const Network& network) {
  return std::max<int64_t>(
      1, args.mini_batch_size.value_or(Fact<int64_t>(network, "mini-batch-size", 128)));
}

// Decodes the data, where there is memory for it.
void LoadData(const EvalArgs& args, const Network& network, const DataSource& data) {
  MemoryNeeds needs = EvaluationNeeds(network.graph, data, BatchSize(args, network));
  needs.Add("the data", static_cast<double>(data.MemoryBytes()));
  needs.Check(fmt::format("evaluating '{}'", data.Description()), kTakesLess);
  data.Load();
}

// Pictures are made to fit the model; what training held out is found again by its seed.
DataPtr OpenEvalData(const EvalArgs& args, const ModelFile& file) {
  const Network& network = file.network();
  const auto seed = args.seed.value_or(Fact<uint64_t>(network, "seed", 1));
  DataPtr data = OpenData(args.data, FitToModel(args.reading, network, seed, args.model));
  LoadData(args, network, *data);
  const double fraction = args.validation_fraction.value_or(0);
  if (args.held_out)
    data = HeldOutPart(network, data, seed, args.model);
  else if (fraction > 0)
    data = SplitData(data, fraction, seed).second;
  const DataPtr as_model =
      WithInputForm(WithClasses(data, network.classes), FormOf(args.form, file));
  WarnOfRange(network, as_model->Range(), "data '" + data->Description() + "'");
  return as_model;
}

std::string PercentText(const std::optional<double>& percent) {
  return percent ? fmt::format("{:.2f}", *percent) : "-";
}

void PrintText(const EvalArgs& args, const DataSource& data, const Evaluation& evaluation,
               bool of_classes) {
  const bool positions = !data.position_classes().empty();
  fmt::print("Model     {}\nData      {}\n", args.model, data.Description());
  if (!positions && data.classes().empty() && of_classes) {
    fmt::print("Accuracy  {:.2f} % (of the pixels)\nLoss      {:.4f}\n", evaluation.accuracy,
               evaluation.loss);
    return;
  }
  if (!positions && data.classes().empty()) {
    fmt::print("RMSE      {:.6g}\nLoss      {:.6g}\n", evaluation.accuracy, evaluation.loss);
    return;
  }
  Table table{{"class", "observations", "correct", "recall %", "precision %"}, {}};
  int64_t correct = 0, answers = 0;
  for (int64_t i = 0; i < data.size(); ++i)
    answers += positions ? data.target_size() : data.Answers(i);
  const auto& classes = positions ? data.position_classes() : data.classes();
  if (positions) {
    fmt::print("Dice      {:.2f} % (mean over {} classes)\n", evaluation.dice, classes.size());
    table.header[1] = "positions";
  }
  for (const ClassScore& score : ClassScores(evaluation, classes)) {
    correct += score.correct;
    table.rows.push_back({score.name, std::to_string(score.observations),
                          std::to_string(score.correct), PercentText(score.Recall()),
                          PercentText(score.Precision())});
  }
  fmt::print("Accuracy  {:.2f} % ({} of {})\nLoss      {:.4f}\n\n{}", evaluation.accuracy, correct,
             answers, evaluation.loss, ToText(table));
}

void PrintJson(const EvalArgs& args, const DataSource& data, const Evaluation& evaluation,
               bool of_classes) {
  json result{{"model", args.model},
              {"data", data.Description()},
              {"observations", data.size()},
              {"loss", evaluation.loss}};
  const bool positions = !data.position_classes().empty();
  if (positions) result["dice"] = evaluation.dice;
  if (!positions && data.classes().empty()) {
    result[of_classes ? "accuracy" : "rmse"] = evaluation.accuracy;
  } else {
    result["accuracy"] = evaluation.accuracy;
    result["confusion"] = evaluation.confusion;
    result["classes"] = json::array();
    for (const ClassScore& score :
         ClassScores(evaluation, positions ? data.position_classes() : data.classes()))
      result["classes"].push_back({{"name", score.name},
                                   {"observations", score.observations},
                                   {"correct", score.correct},
                                   {"predicted", score.predicted}});
  }
  fmt::print("{}\n", JsonText(result, 2));
}

void RunEval(const EvalArgs& args) {
  SetNumThreads(args.threads);
  const ModelFile file(args.model);
  const DataPtr data = OpenEvalData(args, file);
  const Network network = NetworkFor(file, *data);
  LogWarning(data->Summary());
  const Evaluation evaluation =
      Evaluate(network, data, BatchSize(args, network), LossOf(network), JobReducer());
  const bool of_classes = TellsClasses(network.graph, *data, LossOf(network));
  if (args.json)
    PrintJson(args, *data, evaluation, of_classes);
  else
    PrintText(args, *data, evaluation, of_classes);
}

}  // namespace

void AddEval(const Command& app) {
  auto args = std::make_shared<EvalArgs>();
  const Command command = AddCommand(app, "eval", "Measure a model on data",
                                     {"normkit eval out/model.onnx --data photos/",
                                      "normkit eval out/model.onnx --data digits --held-out"});
  AddMeasureOptions(command, *args);
  command.Find("--seed").More(" (which what is held out depends on, too)");
  const Option held_out = AddFlag(
      command, "--held-out", args->held_out,
      "Only the part of the data that training held out for validation (its fraction and seed "
      "stand in the model file)");
  AddNumber(command, "--validation-fraction", args->validation_fraction, kHeldOut,
            "Only the part that training with this --validation-fraction holds out; auto: all data")
      .Excludes(held_out);
  AddFlag(command, "--json", args->json, "Print JSON instead of text");
  command.Run([args] { RunEval(*args); });
}

}  // namespace normkit::tools
