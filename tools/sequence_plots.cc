#include "tools/sequence_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "normkit/train/predict.h"
#include "src/data/image_codec.h"
#include "tools/report_parts.h"

namespace normkit::tools {
namespace {

constexpr int64_t kSequences = 4;                                          // sequences
constexpr size_t kMostChannels = 6;                                        // lines
constexpr int64_t kFrames = 8, kLeastSide = 48, kMostSide = 96, kGap = 2;  // of pictures over time

// Column k of rows of `width` values.
Series Column(std::string name, std::span<const float> rows, size_t width, size_t k,
              bool dashed = false, int color = -1) {
  Series series{.name = std::move(name), .points = {}, .dashed = dashed, .color = color};
  for (size_t row = 0; row * width < rows.size(); ++row)
    series.points.emplace_back(static_cast<double>(row), rows[row * width + k]);
  return series;
}

std::string NameOf(const char* what, size_t k, size_t count) {
  return count == 1 ? what : fmt::format("{} {}", what, k + 1);
}

// One sequence: its rows, and what the network gives.
struct DrawnSequence {
  const DataSource& data;
  int64_t index;
  std::span<const float> y;

  size_t width() const { return static_cast<size_t>(data.layout().size()); }
  std::vector<float> Rows() const {
    std::vector<float> x(static_cast<size_t>(data.length(index)) * width());
    data.Read(index, x);
    return x;
  }
  std::vector<float> Targets() const {
    std::vector<float> targets(static_cast<size_t>(data.Answers(index) * data.target_size()));
    data.ReadTarget(index, targets);
    return targets;
  }

  void AddChannels(Plot& plot) const {
    const std::vector<float> x = Rows();
    for (size_t k = 0; k < std::min(width(), kMostChannels); ++k)
      plot.series.push_back(Column(NameOf("channel", k, width()), x, width(), k));
  }

  // A color a target, dashed what is predicted.
  void AddTargets(Plot& plot) const {
    const std::vector<float> targets = Targets();
    const auto count = static_cast<size_t>(data.target_size());
    for (size_t k = 0; k < std::min(count, kMostChannels / 2); ++k) {
      const int color = static_cast<int>(k);
      plot.series.push_back(Column(NameOf("target", k, count), targets, count, k, false, color));
      plot.series.push_back(Column(NameOf("predicted", k, count), y, count, k, true, color));
    }
  }

  void AddRightness(Plot& plot) const {
    const size_t classes = data.classes().size();
    std::vector<int64_t> labels(static_cast<size_t>(data.Answers(index)));
    data.ReadLabels(index, labels);
    Series series{.name = "probability of what is right", .points = {}, .dashed = true};
    for (size_t row = 0; row < labels.size(); ++row)
      series.points.emplace_back(static_cast<double>(row),
                                 y[row * classes + static_cast<size_t>(labels[row])]);
    plot.series.push_back(std::move(series));
  }

  std::string Title() const {
    const std::string name = fmt::format("Sequence {}", index);
    if (data.answers_each_row()) return name;
    if (data.classes().empty())
      return fmt::format("{}: target {:.4g}, predicted {:.4g}", name, Targets()[0], y[0]);
    const size_t told = LargestOf(y, 1)[0];
    return fmt::format("{}: is {}, told to be {} ({:.0f} %)", name,
                       data.classes()[static_cast<size_t>(data.label(index))], data.classes()[told],
                       100 * y[told]);
  }

  // Some of its pictures from the first to the last side by side, a light column between them.
  PagePicture Frames(const ValueRange& range) const {
    const std::vector<int64_t>& shape = data.layout().shape();
    const int64_t steps = data.length(index), count = std::min(steps, kFrames);
    const int64_t side = std::max(shape[1], shape[2]), to = std::clamp(side, kLeastSide, kMostSide);
    const int64_t height = std::max<int64_t>(1, shape[1] * to / side),
                  width = std::max<int64_t>(1, shape[2] * to / side), channels = shape[3],
                  all = count * (width + kGap) - kGap;
    Image strip{height, all, channels,
                std::vector<uint8_t>(static_cast<size_t>(height * all * channels), 255)};
    const std::vector<float> x = Rows();
    for (int64_t k = 0; k < count; ++k) {
      const int64_t t = count == 1 ? 0 : k * (steps - 1) / (count - 1);
      const auto frame =
          std::span(x).subspan(static_cast<size_t>(t) * this->width(), this->width());
      const Image picture = Resize(PictureOf(frame, data.layout(), range), height, width);
      for (int64_t row = 0; row < height; ++row)
        std::copy_n(picture.pixels.begin() + row * width * channels, width * channels,
                    strip.pixels.begin() + (row * all + k * (width + kGap)) * channels);
    }
    std::string caption = Title();
    if (count < steps) caption += fmt::format(" - {} of {} steps", count, steps);
    return {caption, EncodePng(strip, caption)};
  }

  Plot Draw() const {
    Plot plot;
    plot.title = Title();
    plot.x_label = "step";
    plot.y_label = "value";
    if (data.answers_each_row() && data.classes().empty()) {
      AddTargets(plot);
      return plot;
    }
    if (!data.layout().Has(kS)) AddChannels(plot);
    if (data.answers_each_row()) AddRightness(plot);
    return plot;
  }
};

}  // namespace

void AddSequencePlots(const Network& network, const DataPtr& data, HtmlPage& page) {
  const Layout& row = data->layout();
  const bool pictures = row.format() == "TSSC" && (row.channels() == 1 || row.channels() == 3);
  if (!row.packed() || (row.Has(kS) && !pictures)) return;
  std::vector<int64_t> first(static_cast<size_t>(std::min(kSequences, data->size())));
  std::iota(first.begin(), first.end(), 0);
  const DataPtr few = Subset(data, first);
  std::vector<int64_t> offsets;
  const Tensor y = normkit::Predict(network, *few, kSequences, &offsets);
  const auto width = static_cast<size_t>(network.graph.layout(network.graph.output()).size());
  page.Heading("Sequences");
  std::vector<PagePicture> strips;
  std::vector<Plot> plots;
  for (size_t i = 0; i < first.size(); ++i) {
    const bool rows = data->answers_each_row();
    const auto begin = static_cast<size_t>(rows ? offsets[i] : static_cast<int64_t>(i)),
               end = static_cast<size_t>(rows ? offsets[i + 1] : static_cast<int64_t>(i) + 1);
    const DrawnSequence drawn{
        *few, static_cast<int64_t>(i),
        std::span<const float>(y.values<float>()).subspan(begin * width, (end - begin) * width)};
    if (pictures) strips.push_back(drawn.Frames(data->Range()));
    if (!pictures || rows) plots.push_back(drawn.Draw());
  }
  if (!strips.empty()) page.Add(strips);
  for (const Plot& plot : plots) page.Add(plot);
}

}  // namespace normkit::tools
