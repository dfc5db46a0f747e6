#include "tools/compare_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tools/json_text.h"

namespace normkit::tools {
namespace {

template <class T>
std::vector<T> Distinct(const std::vector<CompareRun>& runs, T CompareRun::*member) {
  std::vector<T> values;
  for (const CompareRun& run : runs)
    if (std::find(values.begin(), values.end(), run.*member) == values.end())
      values.push_back(run.*member);
  return values;
}

// The runs of all seeds.
std::vector<const CompareRun*> Select(const std::vector<CompareRun>& runs, const std::string& norm,
                                      int64_t batch_size) {
  std::vector<const CompareRun*> selected;
  for (const CompareRun& run : runs)
    if (run.norm == norm && run.batch_size == batch_size) selected.push_back(&run);
  return selected;
}

struct MeanAndDeviation {
  double mean = std::numeric_limits<double>::quiet_NaN(), deviation = 0;
};

// Not a number where a run diverged.
MeanAndDeviation FinalAccuracy(const std::vector<const CompareRun*>& runs) {
  MeanAndDeviation result;
  const auto count = static_cast<double>(runs.size());
  double sum = 0, squares = 0;
  for (const CompareRun* run : runs) {
    if (run->diverged) return result;
    sum += run->final_accuracy;
  }
  if (runs.empty()) return result;
  result.mean = sum / count;
  for (const CompareRun* run : runs)
    squares += (run->final_accuracy - result.mean) * (run->final_accuracy - result.mean);
  if (runs.size() > 1) result.deviation = std::sqrt(squares / (count - 1));
  return result;
}

std::string FinalCell(const std::vector<const CompareRun*>& runs) {
  if (runs.empty()) return "-";
  const MeanAndDeviation accuracy = FinalAccuracy(runs);
  if (std::isnan(accuracy.mean)) return "diverged";
  if (runs.size() == 1) return fmt::format("{:.2f}", accuracy.mean);
  return fmt::format("{:.2f} ±{:.2f}", accuracy.mean, accuracy.deviation);
}

std::string RangeCell(const std::vector<const CompareRun*>& runs) {
  if (runs.empty()) return "-";
  if (std::isnan(FinalAccuracy(runs).mean)) return "diverged";
  const auto [low, high] =
      std::minmax_element(runs.begin(), runs.end(), [](const CompareRun* a, const CompareRun* b) {
        return a->final_accuracy < b->final_accuracy;
      });
  return fmt::format("{:.2f} to {:.2f}", (*low)->final_accuracy, (*high)->final_accuracy);
}

// A row a norm, a column a batch size.
Table TableOf(const std::vector<CompareRun>& runs,
              std::string (*cell)(const std::vector<const CompareRun*>&)) {
  Table table{{"norm"}, {}};
  const std::vector<int64_t> batch_sizes = BatchSizesOf(runs);
  for (const int64_t batch_size : batch_sizes)
    table.header.push_back(fmt::format("batch {}", batch_size));
  for (const std::string& norm : Distinct(runs, &CompareRun::norm)) {
    std::vector<std::string> row{norm};
    for (const int64_t batch_size : batch_sizes)
      row.push_back(cell(Select(runs, norm, batch_size)));
    table.rows.push_back(std::move(row));
  }
  return table;
}

// The mean over seeds at each checkpoint that all of them reached.
Series MeanCurve(const std::string& norm, const std::vector<const CompareRun*>& runs,
                 double ProgressRow::*value) {
  Series series{.name = norm, .points = {}};
  size_t length = runs.empty() ? 0 : runs.front()->checkpoints.size();
  for (const CompareRun* run : runs) length = std::min(length, run->checkpoints.size());
  for (size_t i = 0; i < length; ++i) {
    double sum = 0;
    for (const CompareRun* run : runs) sum += run->checkpoints[i].*value;
    series.points.emplace_back(static_cast<double>(runs.front()->checkpoints[i].iteration),
                               sum / static_cast<double>(runs.size()));
  }
  return series;
}

Plot CurvePlot(const std::vector<CompareRun>& runs, int64_t batch_size, const std::string& what,
               double ProgressRow::*value) {
  Plot plot;
  plot.title = fmt::format("Validation {}, mini-batches of {}", what, batch_size);
  plot.x_label = "iteration";
  plot.y_label = what;
  for (const std::string& norm : Distinct(runs, &CompareRun::norm))
    plot.series.push_back(MeanCurve(norm, Select(runs, norm, batch_size), value));
  return plot;
}

Plot BatchSizePlot(const std::vector<CompareRun>& runs) {
  Plot plot;
  plot.title = "Validation accuracy at the end";
  plot.x_label = "log2 of the mini-batch size";
  plot.y_label = "percent";
  for (const std::string& norm : Distinct(runs, &CompareRun::norm)) {
    Series series{.name = norm, .points = {}};
    for (const int64_t batch_size : BatchSizesOf(runs))
      series.points.emplace_back(std::log2(static_cast<double>(batch_size)),
                                 FinalAccuracy(Select(runs, norm, batch_size)).mean);
    std::sort(series.points.begin(), series.points.end());
    plot.series.push_back(std::move(series));
  }
  return plot;
}

}  // namespace

std::vector<int64_t> BatchSizesOf(const std::vector<CompareRun>& runs) {
  return Distinct(runs, &CompareRun::batch_size);
}

Table FinalTable(const std::vector<CompareRun>& runs) { return TableOf(runs, FinalCell); }
Table RangeTable(const std::vector<CompareRun>& runs) { return TableOf(runs, RangeCell); }

Table CheckpointTable(const std::vector<CompareRun>& runs, int64_t batch_size) {
  Table table{{"norm", "seed"}, {}};
  const CompareRun* longest = nullptr;
  for (const CompareRun& run : runs) {
    if (run.batch_size != batch_size) continue;
    if (!longest || run.checkpoints.size() > longest->checkpoints.size()) longest = &run;
    std::vector<std::string> row{run.norm, std::to_string(run.seed)};
    for (const ProgressRow& checkpoint : run.checkpoints)
      row.push_back(fmt::format("{:.2f}", checkpoint.validation_accuracy));
    table.rows.push_back(std::move(row));
  }
  if (!longest) return table;
  for (const ProgressRow& checkpoint : longest->checkpoints)
    table.header.push_back(std::to_string(checkpoint.iteration));
  return table;
}

std::vector<std::string> StatisticsLines(const std::vector<CompareRun>& runs,
                                         Statistics statistics) {
  std::vector<std::string> lines;
  for (const std::string& norm : Distinct(runs, &CompareRun::norm))
    for (const int64_t batch_size : BatchSizesOf(runs)) {
      std::vector<StatisticsGap> gaps;
      for (const CompareRun* run : Select(runs, norm, batch_size))
        gaps.insert(gaps.end(), run->statistics_gaps.begin(), run->statistics_gaps.end());
      if (!gaps.empty())
        lines.push_back(fmt::format("Statistics of {}, mini-batches of {}: {}", norm, batch_size,
                                    DescribeStatistics(statistics, gaps)));
    }
  return lines;
}

std::string CompareCsv(const std::vector<CompareRun>& runs) {
  Table table{{"norm", "mini_batch_size", "seed", "initial_learn_rate", "epoch", "iteration",
               "validation_accuracy", "validation_loss"},
              {}};
  for (const CompareRun& run : runs)
    for (const ProgressRow& row : run.checkpoints)
      table.rows.push_back({run.norm, std::to_string(run.batch_size), std::to_string(run.seed),
                            fmt::format("{}", run.learn_rate), std::to_string(row.epoch),
                            std::to_string(row.iteration),
                            fmt::format("{}", row.validation_accuracy),
                            fmt::format("{}", row.validation_loss)});
  return ToCsv(table);
}

std::string FinalCsv(const std::vector<CompareRun>& runs) {
  Table table{{"norm", "mini_batch_size", "seed", "initial_learn_rate", "diverged",
               "validation_accuracy", "validation_loss"},
              {}};
  for (const CompareRun& run : runs)
    table.rows.push_back({run.norm, std::to_string(run.batch_size), std::to_string(run.seed),
                          fmt::format("{}", run.learn_rate), run.diverged ? "true" : "false",
                          run.diverged ? "" : fmt::format("{}", run.final_accuracy),
                          run.diverged ? "" : fmt::format("{}", run.final_loss)});
  return ToCsv(table);
}

std::string CompareJson(const std::vector<CompareRun>& runs) {
  using nlohmann::json;
  json list = json::array();
  for (const CompareRun& run : runs) {
    json checkpoints = json::array();
    for (const ProgressRow& row : run.checkpoints)
      checkpoints.push_back({{"epoch", row.epoch},
                             {"iteration", row.iteration},
                             {"validation_accuracy", row.validation_accuracy},
                             {"validation_loss", row.validation_loss}});
    json entry{{"norm", run.norm},          {"mini_batch_size", run.batch_size},
               {"seed", run.seed},          {"initial_learn_rate", run.learn_rate},
               {"diverged", run.diverged},  {"seconds", run.seconds},
               {"checkpoints", checkpoints}};
    if (!run.statistics_gaps.empty()) entry["statistics_gaps"] = GapsToJson(run.statistics_gaps);
    if (!run.diverged) {
      entry["final_validation_accuracy"] = run.final_accuracy;
      entry["final_validation_loss"] = run.final_loss;
    }
    list.push_back(std::move(entry));
  }
  return JsonText(json{{"runs", list}}, 2);
}

std::string ComparePage(const std::vector<CompareRun>& runs, Statistics statistics,
                        const std::string& title, const std::string& about,
                        const std::string& command) {
  HtmlPage page(title);
  page.Paragraph(about);
  page.Code(command);
  page.Heading("Validation accuracy at the end, percent");
  page.Add(FinalTable(runs));
  if (Distinct(runs, &CompareRun::seed).size() > 1) {
    page.Paragraph("Lowest and highest of the seeds:");
    page.Add(RangeTable(runs));
  }
  for (const std::string& line : StatisticsLines(runs, statistics)) page.Paragraph(line);
  if (BatchSizesOf(runs).size() > 1) page.Add(BatchSizePlot(runs));
  for (const int64_t batch_size : BatchSizesOf(runs)) {
    page.Heading(fmt::format("Mini-batches of {}", batch_size));
    page.Add(CurvePlot(runs, batch_size, "accuracy", &ProgressRow::validation_accuracy));
    page.Add(CurvePlot(runs, batch_size, "loss", &ProgressRow::validation_loss));
    page.Paragraph("Validation accuracy by iteration:");
    page.Add(CheckpointTable(runs, batch_size));
  }
  return page.ToString();
}

}  // namespace normkit::tools
