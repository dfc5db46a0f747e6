#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/report/report.h"
#include "src/report/text.h"
#include "src/report/ticks.h"

namespace normkit {
namespace {

constexpr int kColors = 8;
constexpr double kLetter = 6.4;   // about the width of a letter at 12 px
constexpr size_t kDots = 40;      // a curve of at most so many points has a dot at each
constexpr size_t kCrowded = 200;  // one of at least so many is drawn thin and pale

// Colours that tell curves apart on white and on near-black, the first ones also to most who do not
// see red and green alike.
constexpr const char* kSvgStyle = R"css(
.normkit-plot { --ink: #1f2328; --quiet: #59636e; --grid: #e4e8ec; --paper: #fff;
  --s0: #0969da; --s1: #d9480f; --s2: #0a8f6c; --s3: #9a3fd5; --s4: #a86f12; --s5: #d6336c;
  --s6: #4c6a92; --s7: #57606a; }
@media (prefers-color-scheme: dark) { .normkit-plot { --ink: #e6edf3; --quiet: #9198a1;
  --grid: #262c34; --paper: #0d1117; --s0: #58a6ff; --s1: #ff8f5a; --s2: #3ddbab; --s3: #c893ff;
  --s4: #e3b341; --s5: #ff7aa8; --s6: #8fb3e0; --s7: #9aa4af; } }
.normkit-plot text { font: 12px system-ui, "Segoe UI", Roboto, Arial, sans-serif;
  fill: var(--quiet); font-variant-numeric: tabular-nums; }
.normkit-plot .title { font-size: 14px; font-weight: 600; fill: var(--ink); }
.normkit-plot .key { fill: var(--ink); }
.normkit-plot .paper { fill: var(--paper); }
.normkit-plot .grid { stroke: var(--grid); }
.normkit-plot .axis { stroke: var(--quiet); }
.normkit-plot .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round;
  stroke-linecap: round; }
.normkit-plot .crowded { stroke-width: 1.1; stroke-opacity: .6; }
.normkit-plot .dashed { stroke-dasharray: 6 4; }
)css";

}  // namespace

std::string PlotStyle() {
  std::string style = kSvgStyle;
  for (int i = 0; i < kColors; ++i)
    style += fmt::format(
        ".normkit-plot .s{0} {{ stroke: var(--s{0}); }}\n"
        ".normkit-plot .d{0} {{ fill: var(--s{0}); }}\n",
        i);
  return style;
}

namespace {

// From data to picture along one axis.
struct Axis {
  Ticks ticks;
  bool log = false;
  double at_low = 0, at_high = 1;  // where the ends of the range lie in the picture

  double operator()(double value) const {
    const auto scale = [&](double v) { return log ? std::log10(v) : v; };
    const double low = scale(ticks.low), high = scale(ticks.high);
    return at_low + (at_high - at_low) * ((scale(value) - low) / (high - low));
  }
};

using Point = std::pair<double, double>;

bool Drawable(const Point& p, bool log_y) {
  return std::isfinite(p.first) && std::isfinite(p.second) && (!log_y || p.second > 0);
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Add(double value) { low = std::min(low, value), high = std::max(high, value); }
};

// One curve as the d of a path and dots where points are few, in picture coordinates.
class CurveWriter {
 public:
  CurveWriter(const Axis& x, const Axis& y) : x_(x), y_(y) {}

  std::string Path(const Series& series) {
    path_.clear();
    column_.clear();
    for (const Point& p : series.points) {
      if (!Drawable(p, y_.log)) {
        EndColumn();
        pen_down_ = false;
        continue;
      }
      const Point at{x_(p.first), y_(p.second)};
      if (!column_.empty() && std::floor(at.first) != std::floor(column_.front().first))
        EndColumn();
      column_.push_back(at);
    }
    EndColumn();
    pen_down_ = false;
    return path_;
  }

 private:
  // Of the points in one column of the picture, keeps the first, the lowest and highest, the last.
  void EndColumn() {
    const auto by_height = [](const Point& a, const Point& b) { return a.second < b.second; };
    if (column_.size() > 4) {
      const auto [low, high] = std::minmax_element(column_.begin(), column_.end(), by_height);
      const auto first = std::min(low, high), second = std::max(low, high);
      column_ = {column_.front(), *first, *second, column_.back()};
    }
    for (const Point& p : column_) {
      path_ += fmt::format("{}{:.1f} {:.1f}", pen_down_ ? "L" : "M", p.first, p.second);
      pen_down_ = true;
    }
    column_.clear();
  }

  const Axis &x_, &y_;
  std::string path_;
  std::vector<Point> column_;
  bool pen_down_ = false;
};

std::string Text(double x, double y, const char* anchor, const std::string& text,
                 const char* css_class = nullptr) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, css_class ? fmt::format(" class=\"{}\"", css_class) : "",
                     EscapeHtml(text));
}

std::string Line(const char* css_class, double x1, double y1, double x2, double y2) {
  return fmt::format(
      "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", css_class,
      x1, y1, x2, y2);
}

// The parts of one picture, laid out from the outside in.
class Picture {
 public:
  explicit Picture(const Plot& plot) : plot_(plot) {}

  std::string Draw() {
    double top = plot_.title.empty() ? 12 : 34;
    const std::string legend = Legend(&top);
    MakeAxes(top + 6);
    const std::string name = EscapeHtml(plot_.title);
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"normkit-plot\" width=\"{0:g}\" "
        "height=\"{1:g}\" viewBox=\"0 0 {0:g} {1:g}\" role=\"img\" aria-label=\"{2}\">\n"
        "<style>{3}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n",
        plot_.width, plot_.height, name, PlotStyle());
    if (!name.empty()) svg += Text(kLeftOfLegend, 20, "start", plot_.title, "title");
    return svg + legend + Axes() + (empty_ ? Nothing() : Curves()) + "</svg>\n";
  }

 private:
  int Color(size_t i) const {
    const int color = plot_.series[i].color;
    return (color < 0 ? static_cast<int>(i) : color) % kColors;
  }
  std::string CurveClass(size_t i) const {
    const Series& series = plot_.series[i];
    return fmt::format("curve s{}{}{}", Color(i), series.dashed ? " dashed" : "",
                       series.points.size() >= kCrowded ? " crowded" : "");
  }

  // A stroke and a name for each curve, in as many lines as it takes from *top on.
  std::string Legend(double* top) const {
    std::string svg;
    double x = kLeftOfLegend, y = *top;
    bool any = false;
    for (size_t i = 0; i < plot_.series.size(); ++i) {
      const std::string& name = plot_.series[i].name;
      if (name.empty()) continue;
      const double width = 26 + kLetter * static_cast<double>(CountLetters(name)) + 18;
      if (any && x + width > plot_.width) x = kLeftOfLegend, y += 18;
      any = true;
      svg +=
          Line(CurveClass(i).c_str(), x, y, x + 20, y) + Text(x + 26, y + 4, "start", name, "key");
      x += width;
    }
    *top = any ? y + 10 : *top;
    return svg;
  }

  void MakeAxes(double top) {
    Range x, y;
    bool whole = true;
    for (const Series& series : plot_.series)
      for (const Point& p : series.points) {
        if (!Drawable(p, plot_.log_y)) continue;
        empty_ = false;
        x.Add(p.first);
        y.Add(p.second);
        whole = whole && p.first == std::floor(p.first);
      }
    if (empty_) x = {0, 1}, y = {plot_.log_y ? 0.1 : 0, 1};
    const double bottom = plot_.height - (plot_.x_label.empty() ? 28 : 46);
    const int rows = std::clamp(static_cast<int>((bottom - top) / 45), 2, 8);
    y_.log = plot_.log_y;
    y_.ticks = plot_.log_y ? LogTicks(y.low, y.high, rows + 3)
                           : LinearTicks(y.low, y.high, rows, true, false);
    y_.at_low = bottom;
    y_.at_high = top;
    size_t letters = 0;
    for (const std::string& label : y_.ticks.labels) letters = std::max(letters, label.size());
    x_.at_low = (plot_.y_label.empty() ? 14 : 34) + kLetter * static_cast<double>(letters) + 6;
    x_.at_high = plot_.width - 20;
    const int columns = std::clamp(static_cast<int>((x_.at_high - x_.at_low) / 75), 2, 10);
    x_.ticks = LinearTicks(x.low, x.high, columns, false, whole);
  }

  std::string Axes() const {
    std::string svg;
    const double left = x_.at_low, right = x_.at_high, bottom = y_.at_low, top = y_.at_high;
    for (size_t i = 0; i < y_.ticks.values.size(); ++i) {
      const double y = y_(y_.ticks.values[i]);
      svg += Line("grid", left, y, right, y) + Text(left - 8, y + 4, "end", y_.ticks.labels[i]);
    }
    for (size_t i = 0; i < x_.ticks.values.size(); ++i) {
      const double x = x_(x_.ticks.values[i]);
      svg += Line("axis", x, bottom, x, bottom + 4) +
             Text(x, bottom + 18, "middle", x_.ticks.labels[i]);
    }
    svg += Line("axis", left, bottom, right, bottom);
    if (!plot_.x_label.empty())
      svg += Text((left + right) / 2, plot_.height - 8, "middle", plot_.x_label);
    if (!plot_.y_label.empty())
      svg += fmt::format(
          "<text transform=\"translate(16 {:.1f}) rotate(-90)\" "
          "text-anchor=\"middle\">{}</text>\n",
          (top + bottom) / 2, EscapeHtml(plot_.y_label));
    return svg;
  }

  std::string Curves() const {
    std::string svg;
    for (size_t i = 0; i < plot_.series.size(); ++i) {
      const Series& series = plot_.series[i];
      CurveWriter writer(x_, y_);
      svg += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", CurveClass(i), writer.Path(series));
      if (series.points.size() > kDots) continue;
      for (const Point& p : series.points)
        if (Drawable(p, plot_.log_y))
          svg += fmt::format(
              "<circle class=\"d{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.8\"><title>{}: {:.6g}, "
              "{:.6g}</title></circle>\n",
              Color(i), x_(p.first), y_(p.second), EscapeHtml(series.name), p.first, p.second);
    }
    return svg;
  }

  std::string Nothing() const {
    return Text((x_.at_low + x_.at_high) / 2, (y_.at_low + y_.at_high) / 2, "middle", "no data");
  }

  static constexpr double kLeftOfLegend = 34;
  const Plot& plot_;
  Axis x_, y_;
  bool empty_ = true;
};

}  // namespace

std::string ToSvg(const Plot& plot) { return Picture(plot).Draw(); }

}  // namespace normkit
