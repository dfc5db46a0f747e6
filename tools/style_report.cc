#include "tools/style_report.h"

#include <fmt/format.h>

#include "src/data/image_codec.h"
#include "src/report/progress.h"
#include "src/report/report.h"
#include "src/stylize/pixels.h"

namespace normkit::tools {
namespace {

constexpr int64_t kThumbnail = 256;

PagePicture ToPicture(const std::string& caption, const Image& image) {
  return {caption, EncodePng(image, caption)};
}

void AddFigures(HtmlPage& page, const StyleTrainer& trainer, const StyleReportFacts& facts) {
  const auto& history = trainer.history();
  std::vector<std::pair<std::string, std::string>> figures{
      {"steps", fmt::format("{} of {}", history.size(), facts.steps)}};
  if (!history.empty()) {
    figures.emplace_back("loss", fmt::format("{:.4f}", history.back().of.loss));
    figures.emplace_back("time", FormatDuration(history.back().seconds));
  }
  for (const StyleDistance& one : facts.distances)
    figures.emplace_back("nearer to " + one.style, fmt::format("{:.1f} times", one.ratio()));
  page.Figures(figures);
}

// One curve of the rows' losses.
Series Curve(const std::vector<StyleRow>& history, const std::string& name,
             double StyleLosses::*of) {
  Series series{.name = name};
  for (const StyleRow& row : history)
    series.points.emplace_back(static_cast<double>(row.step), row.of.*of);
  return series;
}

void AddCurves(HtmlPage& page, const std::vector<StyleRow>& history) {
  if (history.empty()) return;
  const auto add = [&](const char* title, std::vector<Series> series) {
    page.Add(Plot{.title = title,
                  .x_label = "step",
                  .y_label = "of a mini-batch",
                  .series = std::move(series),
                  .log_y = true});
  };
  add("Loss", {Curve(history, "weighted sum", &StyleLosses::loss)});
  add("Its parts", {Curve(history, "style", &StyleLosses::style),
                    Curve(history, "content", &StyleLosses::content),
                    Curve(history, "variation", &StyleLosses::variation)});
}

}  // namespace

std::string StyleReport(const StyleTrainer& trainer, const std::vector<StyleSnapshot>& snapshots,
                        const StyleReportFacts& facts) {
  HtmlPage page("Learning " + fmt::format("{}", fmt::join(facts.style_names, ", ")));
  page.Code(facts.command);
  AddFigures(page, trainer, facts);
  page.Heading("Style");
  std::vector<PagePicture> pictures;
  for (size_t s = 0; s < facts.styles.size(); ++s)
    pictures.push_back(ToPicture(facts.style_names[s], LongerSide(facts.styles[s], kThumbnail)));
  page.Add(pictures);
  page.Heading("Losses");
  AddCurves(page, trainer.history());
  page.Heading(facts.learned_on ? "Some of the pictures" : "Pictures it did not learn on");
  pictures.clear();
  for (const Image& content : facts.contents) pictures.push_back(ToPicture("content", content));
  page.Add(pictures);
  for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend(); ++snapshot)
    for (size_t s = 0; s < snapshot->styled.size(); ++s) {
      pictures.clear();
      for (const Image& styled : snapshot->styled[s])
        pictures.push_back(
            ToPicture(fmt::format("{}, step {}", facts.style_names[s], snapshot->step), styled));
      page.Add(pictures);
    }
  page.Heading("Options");
  Table options{{"option", "value"}, {}};
  constexpr std::string_view kPrefix = "style.";
  for (const auto& [name, value] : trainer.network().facts)
    if (name.starts_with(kPrefix)) options.rows.push_back({name.substr(kPrefix.size()), value});
  page.Add(options);
  return page.ToString();
}

}  // namespace normkit::tools
