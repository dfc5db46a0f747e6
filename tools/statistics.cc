// normkit statistics: recomputes what batch normalizations of a model predict with.

#include "normkit/train/statistics.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/data/moved_pictures.h"
#include "normkit/train/doctor.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/report/report.h"
#include "src/train/objective.h"
#include "tools/commands.h"
#include "tools/json_text.h"
#include "tools/model_options.h"
#include "tools/options.h"
#include "tools/ranks.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct StatisticsArgs {
  MeasureArgs measure;
  std::string output, method = "auto";
  std::vector<std::string> layers{"*"}, rescale;
  std::optional<double> epsilon;
  RecomputeOptions options;
  PictureMoves moves;
};

constexpr std::string_view kAdapt = "adapt:";
constexpr NumberRange<double> kWeight{.low = 0, .high = 1, .open_low = true};

void ParseMethod(const std::string& text, StatisticsArgs& args) {
  args.method = text;
  args.options.method = Statistics::kAuto;
  args.options.weight = 1;
  const std::vector<std::string> names{"auto", "population", "population-exact", "moving"};
  if (text.starts_with(kAdapt)) {
    const auto weight = ParseNumber<double>(text.substr(kAdapt.size()));
    if (!weight || !kWeight.Contains(*weight))
      Fail("{} given, expected adapt:ALPHA with {}", Quoted(text), kWeight.ToString());
    args.options.weight = *weight;
    return;
  }
  const std::string name = SameLetters(text, names);
  if (name.empty())
    Fail("{} given, expected {}, or adapt:ALPHA{}", Quoted(text), fmt::join(names, ", "),
         DidYouMean(text, names));
  args.options.method = ParseStatistics(name);
}

// Of one layer before and after: a statistic may have overflown before.
struct Change {
  StatisticsGap before, after;
};

struct Outcome {
  bool of_classes = true;
  double metric_before = 0, metric_after = 0, loss_before = 0, loss_after = 0;
  std::vector<Change> layers;
};

// Numbers that overflow are what such a model gives, not an error: nothing is right.
std::pair<double, double> MetricOf(const Network& network, const DataPtr& data, int64_t batch) {
  try {
    const Evaluation evaluation = Evaluate(network, data, batch, LossOf(network), JobReducer());
    return {evaluation.accuracy, evaluation.loss};
  } catch (const DivergedError&) {
    return {std::nan(""), std::nan("")};
  }
}

json Number(double x) { return std::isfinite(x) ? json(x) : json(); }

json ToJson(const StatisticsArgs& args, const DataSource& data, const Outcome& outcome) {
  const char* metric = outcome.of_classes ? "accuracy" : "rmse";
  json result{{"model", args.measure.model},
              {"data", data.Description()},
              {"observations", data.size()},
              {"method", args.method},
              {"output", args.output}};
  result["before"] = {{metric, Number(outcome.metric_before)},
                      {"loss", Number(outcome.loss_before)}};
  result["after"] = {{metric, Number(outcome.metric_after)}, {"loss", Number(outcome.loss_after)}};
  result["layers"] = json::array();
  const auto gap = [](const StatisticsGap& of) {
    return json{{"mean", Number(of.fed_mean)}, {"variance", Number(of.fed_variance)}};
  };
  for (const auto& [before, after] : outcome.layers)
    result["layers"].push_back(
        {{"layer", before.layer}, {"gap_before", gap(before)}, {"gap_after", gap(after)}});
  return result;
}

std::string Shown(double x, const char* unit, double factor) {
  return std::isfinite(x) ? fmt::format("{:.3g}{}", factor * x, unit) : "overflows";
}

void Print(const StatisticsArgs& args, const DataSource& data, const Outcome& outcome) {
  if (args.measure.json) return fmt::print("{}\n", JsonText(ToJson(args, data, outcome), 2));
  const auto metric = [&](double value) {
    return std::isfinite(value) ? MetricText(outcome.of_classes, value)
                                : std::string("numbers overflow");
  };
  fmt::print("Model     {}\nData      {}\nMethod    {}\nBefore    {}\nAfter     {}\n\n",
             args.measure.model, data.Description(), args.method, metric(outcome.metric_before),
             metric(outcome.metric_after));
  Table table{{"layer", "mean, deviations", "after", "variance", "after"}, {}};
  for (const auto& [before, after] : outcome.layers)
    table.rows.push_back({before.layer, Shown(before.fed_mean, "", 1), Shown(after.fed_mean, "", 1),
                          Shown(before.fed_variance, " %", 100),
                          Shown(after.fed_variance, " %", 100)});
  fmt::print(
      "How far the statistics are from those of what prediction feeds, worst channel\n\n{}\n"
      "Model     {}\n",
      ToText(table), args.output);
}

// What the statistics are of.
DataPtr SeenData(const StatisticsArgs& args, const DataPtr& data) {
  const bool moves = args.moves.shift > 0 || args.moves.mirror || args.moves.rounds > 1;
  return moves ? MovePictures(data, args.moves) : data;
}

void RunStatistics(StatisticsArgs& args) {
  SetNumThreads(args.measure.threads);
  NetworkChanges changes;
  changes.epsilon = args.epsilon;
  changes.epsilon_of = args.layers;
  const ModelFile before(args.measure.model), file(args.measure.model, changes);
  const DataPtr raw = OpenMeasureData(args.measure, file.network());
  const InputForm form = FormOf(args.measure.form, file);
  const DataPtr data = WithInputForm(raw, form), seen = WithInputForm(SeenData(args, raw), form);
  if (Leads()) CheckWritable(args.output, 0);
  const int64_t batch = BatchSizeOf(args.measure, file.network());
  Outcome outcome;
  Network network = NetworkFor(file, *data);
  outcome.of_classes = TellsClasses(network.graph, *data, LossOf(network));
  std::tie(outcome.metric_before, outcome.loss_before) =
      MetricOf(NetworkFor(before, *data), data, batch);
  const auto gaps = MeasureStatistics(NetworkFor(before, *data), *seen, batch, JobReducer());
  args.options.layers = args.layers;
  args.options.mini_batch_size = batch;
  args.options.reducer = JobReducer();
  RecomputeStatistics(network, *seen, args.options);
  if (!args.rescale.empty()) RescaleBefore(network, args.rescale);
  std::tie(outcome.metric_after, outcome.loss_after) = MetricOf(network, data, batch);
  const auto gaps_after = MeasureStatistics(network, *seen, batch, JobReducer());
  for (size_t i = 0; i < gaps.size(); ++i) outcome.layers.push_back({gaps[i], gaps_after[i]});
  if (Leads()) file.Save(network, args.output);
  Print(args, *data, outcome);
}

}  // namespace

void AddStatistics(const Command& app) {
  auto args = std::make_shared<StatisticsArgs>();
  const Command command = AddCommand(
      app, "statistics", "Recompute what batch normalizations of a model predict with",
      {"normkit statistics out/model.onnx --data photos/ --output mended.onnx",
       "normkit statistics resnet.onnx --data photos/ --range 1 --input-mean 0.485,0.456,0.406 "
       "--input-std 0.229,0.224,0.225 --output mended.onnx",
       "normkit statistics out/model.onnx --data night/ --method adapt:0.3 --output night.onnx"});
  AddMeasureOptions(command, args->measure);
  AddText(command, "-o,--output", args->output, "FILE", "The model with other statistics")
      .Required();
  AddValue(command, "--method", "NAME", "auto, population, population-exact, moving or adapt:ALPHA",
           "auto: those of exactly what prediction feeds; population: pooled while layers before "
           "use mini-batch statistics; population-exact: as auto, layer by layer; moving: moved by "
           "the data once; adapt:ALPHA: ALPHA of the data's and the rest of the model's own",
           [args](const std::string& text) { ParseMethod(text, *args); })
      .Default("auto");
  AddLayers(command, "--layers", args->layers, "Which batch normalizations, by name or pattern")
      .Default("*");
  AddNumber(command, "--shift", args->moves.shift, {0, 1 << 16},
            "Statistics of pictures that are moved by up to so many pixels each way, black where "
            "nothing is then: as a training saw them that drew crops with a border");
  AddFlag(command, "--mirror", args->moves.mirror, "Of pictures half of which are mirrored");
  AddNumber(command, "--rounds", args->moves.rounds, {1, 1 << 16},
            "How often each picture counts, moved and mirrored anew");
  AddNumber(command, "--epsilon", args->epsilon, {.low = 1e-30, .high = 1e30},
            "Give them this epsilon, too; auto: leave it");
  AddLayers(
      command, "--rescale", args->rescale,
      "Scale the weights before these so that what they read has a variance near 1; they undo "
      "it, and half precision does not overflow");
  AddFlag(command, "--json", args->measure.json, "Print JSON instead of text");
  command.Run([args] { RunStatistics(*args); });
}

}  // namespace normkit::tools
