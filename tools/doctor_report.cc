#include "tools/doctor_report.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "src/report/report.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

json Number(double x) { return std::isfinite(x) ? json(x) : json(); }

std::string Shown(double x, double factor, const char* unit) {
  return std::isfinite(x) ? fmt::format("{:.3g}{}", factor * x, unit) : "overflows";
}

std::string Share(double x) { return x == 0 ? "-" : Shown(x, 100, " %"); }

std::string Metric(const Diagnosis& of, double metric) {
  if (!std::isfinite(metric)) return "numbers overflow";
  return of.classification ? fmt::format("{:.2f} % right", metric)
                           : fmt::format("RMSE {:.4g}", metric);
}

Table HealthTable(const Diagnosis& diagnosis) {
  Table table{{"layer", "kind", "mean off", "variance off", "dead", "under epsilon", "idle",
               "largest", "deviation", "values"},
              {}};
  for (const NormHealth& of : diagnosis.layers)
    table.rows.push_back({of.layer, of.kind, of.has_statistics ? Shown(of.mean_gap, 1, "") : "-",
                          of.has_statistics ? Shown(of.variance_gap, 100, " %") : "-",
                          Share(of.dead), Share(of.under_epsilon), Share(of.idle),
                          Shown(of.largest, 1, ""), Shown(of.deviation, 1, ""),
                          fmt::format("{}", of.values)});
  return table;
}

Table SensitivityTable(const Diagnosis& diagnosis) {
  Table table{{"statistics of mini-batches of", "result"}, {}};
  for (const BatchSensitivity& one : diagnosis.sensitivity)
    table.rows.push_back({fmt::format("{}", one.mini_batch_size), Metric(diagnosis, one.metric)});
  return table;
}

constexpr const char* kColumns =
    "mean off: standard deviations from the mean that prediction feeds it; variance off: relative "
    "to "
    "that variance, both in the worst channel; dead: channels with a scale of 0; idle: that no "
    "ReLU "
    "lets through; values: behind a statistic, of one observation";

// How far each statistic of a layer is from what it should be, and how healthy its channels are.
Plot LayerPlot(const NormHealth& of) {
  Plot plot{.title = of.layer,
            .x_label = "mean, variance, dead, under epsilon, idle",
            .y_label = "off, or share"};
  plot.width = 320;
  plot.height = 200;
  Series series{.name = of.kind};
  double at = 1;
  for (const double y : {of.mean_gap, of.variance_gap, of.dead, of.under_epsilon, of.idle})
    series.points.emplace_back(at++, y);
  plot.series.push_back(std::move(series));
  return plot;
}

}  // namespace

json DiagnosisToJson(const std::string& model, const DataSource& data, const Diagnosis& diagnosis) {
  json result{{"model", model},
              {"data", data.Description()},
              {"observations", diagnosis.observations},
              {diagnosis.classification ? "accuracy" : "rmse", Number(diagnosis.metric)},
              {"healthy", diagnosis.findings.empty()},
              {"findings", json::array()},
              {"layers", json::array()},
              {"batch_sensitivity", json::array()}};
  for (const Finding& of : diagnosis.findings)
    result["findings"].push_back({{"fault", of.fault},
                                  {"layer", of.layer},
                                  {"finding", of.finding},
                                  {"effect", of.effect},
                                  {"cure", of.cure},
                                  {"command", of.command},
                                  {"before", Number(of.before)},
                                  {"after", Number(of.after)}});
  for (const NormHealth& of : diagnosis.layers)
    result["layers"].push_back(
        {{"layer", of.layer},
         {"kind", of.kind},
         {"mean_gap", of.has_statistics ? Number(of.mean_gap) : json()},
         {"variance_gap", of.has_statistics ? Number(of.variance_gap) : json()},
         {"dead", of.dead},
         {"under_epsilon", of.under_epsilon},
         {"idle", of.idle},
         {"largest", Number(of.largest)},
         {"deviation", Number(of.deviation)},
         {"values", of.values}});
  for (const BatchSensitivity& of : diagnosis.sensitivity)
    result["batch_sensitivity"].push_back(
        {{"mini_batch_size", of.mini_batch_size}, {"metric", Number(of.metric)}});
  return result;
}

std::string DiagnosisText(const std::string& model, const DataSource& data,
                          const Diagnosis& diagnosis) {
  std::string text =
      fmt::format("Model     {}\nData      {}\nResult    {} ({} observations)\n\n", model,
                  data.Description(), Metric(diagnosis, diagnosis.metric), diagnosis.observations);
  if (diagnosis.findings.empty()) text += "Healthy: nothing that was tried makes it better.\n\n";
  for (size_t i = 0; i < diagnosis.findings.size(); ++i) {
    const Finding& of = diagnosis.findings[i];
    text += fmt::format("{}. {}\n   {}\n   Effect: {}\n   Cure:   {}\n\n       {}\n\n", i + 1,
                        of.layer, of.finding, of.effect, of.cure, of.command);
  }
  text += ToText(HealthTable(diagnosis)) + "\n";
  if (!diagnosis.sensitivity.empty()) text += ToText(SensitivityTable(diagnosis));
  return text;
}

std::string DiagnosisPage(const std::string& model, const DataSource& data,
                          const Diagnosis& diagnosis) {
  HtmlPage page("The normalizations of " + model);
  page.Paragraph(fmt::format("Measured on {} observations of {}.", diagnosis.observations,
                             data.Description()));
  page.Figures({{"result", Metric(diagnosis, diagnosis.metric)},
                {"findings", fmt::format("{}", diagnosis.findings.size())}});
  if (diagnosis.findings.empty())
    page.Paragraph("Healthy: nothing that was tried makes it better.");
  for (const Finding& of : diagnosis.findings) {
    page.Heading(of.layer);
    page.Paragraph(of.finding);
    page.Paragraph("Effect: " + of.effect);
    page.Paragraph("Cure: " + of.cure);
    page.Code(of.command);
  }
  page.Heading("Layers");
  page.Paragraph(kColumns);
  page.Add(HealthTable(diagnosis));
  for (const NormHealth& of : diagnosis.layers) page.Add(LayerPlot(of));
  if (!diagnosis.sensitivity.empty()) {
    page.Heading("With statistics of mini-batches in place of its own");
    page.Add(SensitivityTable(diagnosis));
  }
  return page.ToString();
}

}  // namespace normkit::tools
