// Tables, curves and pages for people.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace normkit {

// Text in columns: a column of numbers is set right, one of words left. Rows shorter than the
// header are filled with empty cells. All text is UTF-8.
struct Table {
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
};
// For a terminal: columns two spaces apart, a rule below the header.
std::string ToText(const Table& table);
std::string ToMarkdown(const Table& table);
// RFC 4180: commas, CRLF, quotes where a cell needs them.
std::string ToCsv(const Table& table);

// One curve. A point that is not finite (or not positive on a logarithmic axis) breaks the line.
struct Series {
  std::string name = {};
  std::vector<std::pair<double, double>> points = {};
  bool dashed = false;
  int color = -1;  // index into the palette, modulo its size; -1: the place in Plot::series
};

// Curves over one pair of axes, with rounded ticks, a grid and a legend.
struct Plot {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<Series> series = {};
  bool log_y = false;
  double width = 640, height = 360;
};

// An <svg> element that stands alone: in a file of its own or inside a page. It follows the light
// or dark scheme of the reader. Curves with more points than the picture has columns are thinned to
// the first, lowest, highest and last point of each column.
std::string ToSvg(const Plot& plot);

// What stands in the <style> of a page, and of a plot: those that a program draws while it runs
// look the same.
std::string PageStyle();
std::string PlotStyle();

// `text` with what HTML and XML give a meaning replaced: & < > " '. Control characters, which they
// forbid, become U+FFFD.
std::string EscapeHtml(const std::string& text);

// A picture inside a page.
struct PagePicture {
  std::string caption = {};
  std::string png = {};  // the bytes of a file
};

// A self-contained HTML page: no script, nothing loaded from elsewhere. All text is escaped.
class HtmlPage {
 public:
  explicit HtmlPage(std::string title);
  void Heading(const std::string& text);
  void Paragraph(const std::string& text);
  void Code(const std::string& text);  // a command or a file, as it is
  // A row of labelled values in large letters: {"validation accuracy", "98.7 %"}.
  void Figures(const std::vector<std::pair<std::string, std::string>>& figures);
  void Add(const Table& table);
  // Cells in the shades, 0 to 1, that stand for them; where there are none: 0.
  void Add(const Table& table, const std::vector<std::vector<double>>& shades);
  void Add(const Plot& plot);  // plots added in a row stand side by side where there is room
  void Add(const std::vector<PagePicture>& pictures);  // side by side
  std::string ToString() const;

 private:
  void Block(std::string html, bool plot = false);

  std::string title_, body_;
  bool in_plots_ = false;
};

}  // namespace normkit
