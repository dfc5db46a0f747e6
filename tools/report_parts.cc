#include "tools/report_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "src/data/image_codec.h"
#include "src/nn/norm_sites.h"

namespace normkit::tools {
namespace {

constexpr int kMostNorms = 40;
constexpr size_t kPictures = 12;
constexpr int64_t kLeastSide = 72, kMostSide = 144;

Series ChannelCurve(std::string name, std::span<const float> values, bool roots, int color) {
  Series series{.name = std::move(name), .points = {}, .color = color};
  for (size_t c = 0; c < values.size(); ++c)
    series.points.emplace_back(static_cast<double>(c),
                               roots ? std::sqrt(double{values[c]}) : double{values[c]});
  return series;
}

Plot NormPlot(const NormSite& site, const Parameters& parameters) {
  Plot plot{.title = site.name, .x_label = "channel", .height = 300};
  const std::pair<int, const char*> curves[] = {{site.scale, "scale"},
                                                {site.offset, "offset"},
                                                {site.mean, "trained mean"},
                                                {site.variance, "trained standard deviation"}};
  int color = 0;
  for (const auto& [place, title] : curves) {
    if (place >= 0)
      plot.series.push_back(
          ChannelCurve(title, SiteArray(parameters, place), place == site.variance, color));
    ++color;
  }
  return plot;
}

bool ArePictures(const DataSource& data) {
  const int64_t channels = data.layout().channels();
  return data.layout().format() == "BSSC" && (channels == 1 || channels == 3) &&
         !data.classes().empty();
}

PagePicture Picture(const DataSource& data, int64_t index, int64_t predicted,
                    const ValueRange& range) {
  std::vector<float> values(static_cast<size_t>(data.layout().size()));
  data.Read(index, values);
  const Image image = PictureOf(values, data.layout(), range);
  const int64_t side = std::max(image.height, image.width);
  const double by =
      static_cast<double>(std::clamp(side, kLeastSide, kMostSide)) / static_cast<double>(side);
  const auto scaled = [by](int64_t size) {
    return std::max<int64_t>(1, std::llround(by * static_cast<double>(size)));
  };
  const std::string name = data.classes()[static_cast<size_t>(data.label(index))];
  const std::string told =
      predicted < 0 ? "told nothing" : data.classes()[static_cast<size_t>(predicted)];
  return {predicted == data.label(index) ? name : fmt::format("{}, told {}", name, told),
          EncodePng(Resize(image, scaled(image.height), scaled(image.width)), name)};
}

}  // namespace

Image PictureOf(std::span<const float> values, const Layout& layout, const ValueRange& range) {
  const std::vector<int64_t>& shape = layout.shape();
  Image image{shape[1], shape[2], shape[3], {}};
  const bool bytes = range.low >= 0 && range.high <= 255;  // as pictures have them
  const float low = bytes ? 0 : range.low, span = bytes ? 255 : range.high - range.low;
  for (const float value : values)
    image.pixels.push_back(
        static_cast<uint8_t>(std::lround(std::clamp((value - low) / span, 0.F, 1.F) * 255)));
  return image;
}

void AddNormPlots(const Network& network, HtmlPage& page) {
  int drawn = 0, norms = 0;
  for (const NormSite& site : NormSites(network.graph)) {
    const Plot plot = NormPlot(site, network.parameters);
    if (plot.series.empty()) continue;
    if (norms++ == 0) page.Heading("Normalization layers");
    if (drawn < kMostNorms) page.Add(plot), ++drawn;
  }
  if (drawn < norms)
    page.Paragraph(fmt::format("The first {} of {} normalization layers.", drawn, norms));
}

void AddSamplePictures(const Network& network, const DataPtr& data, const Evaluation& evaluation,
                       HtmlPage& page) {
  if (!ArePictures(*data) || network.classes.empty() ||
      std::ssize(evaluation.predicted) != data->size())
    return;
  const ValueRange range = data->Range();
  std::vector<PagePicture> first, wrong;
  for (int64_t i = 0; i < data->size(); ++i) {
    const int64_t predicted = evaluation.predicted[static_cast<size_t>(i)];
    const bool is_wrong = predicted != data->label(i);
    if (first.size() >= kPictures && !(is_wrong && wrong.size() < kPictures)) continue;
    PagePicture picture = Picture(*data, i, predicted, range);
    if (is_wrong && wrong.size() < kPictures) wrong.push_back(picture);
    if (first.size() < kPictures) first.push_back(std::move(picture));
  }
  page.Heading("Pictures");
  page.Add(first);
  if (wrong.empty()) return;
  page.Paragraph("Those that are told wrong:");
  page.Add(wrong);
}

void AddConfusion(const Network& network, const Evaluation& evaluation, HtmlPage& page) {
  Table table{{"true \\ predicted"}, {}};
  std::vector<std::vector<double>> shades;
  for (const std::string& name : network.classes) table.header.push_back(name);
  table.header.push_back("right");
  for (size_t t = 0; t < evaluation.confusion.size(); ++t) {
    const std::vector<int64_t>& counts = evaluation.confusion[t];
    int64_t all = 0;
    for (const int64_t count : counts) all += count;
    std::vector<std::string> row{network.classes[t]};
    std::vector<double> shade{0};
    for (const int64_t count : counts) {
      row.push_back(count ? std::to_string(count) : "");
      shade.push_back(all ? static_cast<double>(count) / static_cast<double>(all) : 0);
    }
    const double right =
        all ? 100.0 * static_cast<double>(counts[t]) / static_cast<double>(all) : 0;
    row.push_back(all ? fmt::format("{:.1f} %", right) : "-");
    table.rows.push_back(std::move(row));
    shades.push_back(std::move(shade));
  }
  page.Add(table, shades);
}

}  // namespace normkit::tools
