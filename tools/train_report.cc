#include "tools/train_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "src/report/progress.h"
#include "src/report/report.h"
#include "tools/layer_table.h"
#include "tools/report_parts.h"
#include "tools/sequence_plots.h"

namespace normkit::tools {
namespace {

using Points = std::vector<std::pair<double, double>>;

// A mini-batch says little by itself: the mean over `window` of them, drawn in their middle.
Points Smoothed(const std::vector<ProgressRow>& history, double ProgressRow::*value,
                size_t window) {
  Points points;
  for (size_t begin = 0; begin < history.size(); begin += window) {
    const size_t end = std::min(begin + window, history.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += history[i].*value;
    const auto count = static_cast<double>(end - begin);
    points.emplace_back(static_cast<double>(begin) + (count + 1) / 2, sum / count);
  }
  return points;
}

Points Validated(const std::vector<ProgressRow>& history, double ProgressRow::*value) {
  Points points;
  for (const ProgressRow& row : history)
    if (row.has_validation) points.emplace_back(static_cast<double>(row.iteration), row.*value);
  return points;
}

Plot MakePlot(const TrainingResult& result, const std::string& title, const std::string& y_label,
              double ProgressRow::*batch, double ProgressRow::*validation) {
  constexpr size_t kPoints = 120;
  const size_t window = std::max<size_t>(1, result.history.size() / kPoints);
  Plot plot;
  plot.title = title;
  plot.x_label = "iteration";
  plot.y_label = y_label;
  const std::string name =
      window == 1 ? "training" : fmt::format("training (mean of {} iterations)", window);
  plot.series.push_back({.name = name, .points = Smoothed(result.history, batch, window)});
  Points validated = Validated(result.history, validation);
  if (!validated.empty())
    plot.series.push_back({.name = "validation", .points = std::move(validated)});
  return plot;
}

Table OptionTable(const TrainingOptions& options) {
  Table table{{"option", "value"}, {}};
  for (const auto& [name, value] : Describe(options)) table.rows.push_back({name, value});
  return table;
}

std::vector<std::pair<std::string, std::string>> FinalFigures(const TrainingResult& result) {
  const bool classification = result.of_classes;
  std::vector<std::pair<std::string, std::string>> figures;
  if (result.has_validation) {
    const double accuracy = result.final_validation_accuracy;
    figures.emplace_back(
        classification ? "validation accuracy" : "validation RMSE",
        classification ? fmt::format("{:.2f} %", accuracy) : fmt::format("{:.4g}", accuracy));
    figures.emplace_back("validation loss", fmt::format("{:.4g}", result.final_validation_loss));
  }
  figures.emplace_back("training time", FormatDuration(result.seconds));
  figures.emplace_back("iterations", std::to_string(result.history.size()));
  figures.emplace_back("learnable parameters",
                       std::to_string(CountLearnables(result.network.parameters)));
  figures.emplace_back("memory of a training step",
                       fmt::format("{:.1f} MB", static_cast<double>(result.peak_bytes) / 1e6));
  return figures;
}

// Of each batch normalization, how far three kinds of statistics are from what prediction feeds it.
void AddStatistics(const std::vector<StatisticsGap>& gaps, Statistics statistics, HtmlPage& page) {
  if (gaps.empty()) return;
  const auto shown = [](double mean, double variance) {
    return fmt::format("{:.3g} / {:.3g} %", mean, 100 * variance);
  };
  Table table{{"layer", "those used", "moving", "population"}, {}};
  for (const StatisticsGap& gap : gaps) {
    const bool moving = statistics == Statistics::kMoving;
    table.rows.push_back(
        {gap.layer, shown(gap.fed_mean, gap.fed_variance),
         moving ? shown(gap.fed_mean, gap.fed_variance) : shown(gap.mean, gap.variance),
         shown(gap.population_mean, gap.population_variance)});
  }
  page.Heading("Statistics of batch normalizations");
  page.Paragraph(fmt::format(
      "How far they are from those of what prediction feeds each one, in its worst channel: means "
      "in standard deviations / variances in percent. Those used are {}; moving ones are what "
      "training ended with{}, population those pooled while layers before normalize with "
      "mini-batch "
      "statistics.",
      Name(statistics), statistics == Statistics::kPopulation ? " (here from those used)" : ""));
  page.Add(table);
}

// What the network says of the validation data; of the training data, where there are no others, of
// the first ones.
void AddAnswers(const Network& network, const TrainingOptions& options, const ReportFacts& facts,
                HtmlPage& page) {
  constexpr int64_t kFew = 64;
  if (network.classes.empty()) return;
  DataPtr data = facts.validation;
  if (!data) {
    std::vector<int64_t> first(static_cast<size_t>(std::min(kFew, facts.data->size())));
    std::iota(first.begin(), first.end(), 0);
    data = Subset(facts.data, first);
  }
  const Evaluation evaluation = Evaluate(network, data, options.mini_batch_size, options.loss);
  if (facts.validation) {
    page.Heading("Confusion matrix of the validation data");
    AddConfusion(network, evaluation, page);
  }
  AddSamplePictures(network, data, evaluation, page);
}

}  // namespace

std::string HistoryCsv(const std::vector<ProgressRow>& history) {
  Table table{{"epoch", "iteration", "seconds", "mini_batch_accuracy", "mini_batch_loss",
               "validation_accuracy", "validation_loss", "learn_rate"},
              {}};
  for (const ProgressRow& row : history) {
    const auto validated = [&](double value) {
      return row.has_validation ? fmt::format("{}", value) : std::string();
    };
    table.rows.push_back({std::to_string(row.epoch), std::to_string(row.iteration),
                          fmt::format("{:.3f}", row.seconds), fmt::format("{}", row.batch_accuracy),
                          fmt::format("{}", row.batch_loss), validated(row.validation_accuracy),
                          validated(row.validation_loss), fmt::format("{}", row.learn_rate)});
  }
  return ToCsv(table);
}

std::string TrainReport(const TrainingResult& result, const TrainingOptions& options,
                        const ReportFacts& facts) {
  const bool classification = result.of_classes;
  HtmlPage page(facts.title);
  page.Paragraph(
      fmt::format("Trained on {}{}.", facts.data->Description(),
                  facts.validation ? ", validated on " + facts.validation->Description() : ""));
  if (result.stopped) page.Paragraph("Stopped before the end.");
  if (result.stopped_early) page.Paragraph("Ended early: the validation loss no longer fell.");
  page.Figures(FinalFigures(result));
  const std::string statistics = DescribeStatistics(options.batch_normalization_statistics, result);
  if (!statistics.empty()) page.Paragraph("Batch normalization predicts with " + statistics + ".");
  if (facts.validation) {
    const std::string parting = DescribeParting(result, facts.validation->size());
    if (!parting.empty()) page.Paragraph(parting);
  }
  page.Code(facts.command);

  page.Heading("Progress");
  page.Add(MakePlot(result, classification ? "Accuracy" : "Root mean squared error",
                    classification ? "percent" : "RMSE", &ProgressRow::batch_accuracy,
                    &ProgressRow::validation_accuracy));
  page.Add(
      MakePlot(result, "Loss", "loss", &ProgressRow::batch_loss, &ProgressRow::validation_loss));

  AddAnswers(result.network, options, facts, page);
  AddSequencePlots(result.network, facts.validation ? facts.validation : facts.data, page);
  AddStatistics(result.statistics_gaps, options.batch_normalization_statistics, page);
  AddNormPlots(result.network, page);
  page.Heading("Layers");
  page.Add(LayerTable(result.network.graph, result.network.parameters));
  page.Heading("Options");
  page.Add(OptionTable(options));
  return page.ToString();
}

}  // namespace normkit::tools
