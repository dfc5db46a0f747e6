// Tables, curves and pages for people.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "normkit/core/export.h"

namespace normkit {

// Text in columns: numbers right, words left.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
NORMKIT_API std::string ToText(const Table& table);
NORMKIT_API std::string ToMarkdown(const Table& table);
NORMKIT_API std::string ToCsv(const Table& table);  // RFC 4180

// One curve.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool dashed = false;
  int color = -1;  // index into the palette; -1: the next one
};
struct Plot {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  bool log_y = false;
  double width = 640, height = 360;
};
NORMKIT_API std::string ToSvg(const Plot& plot);

// A self-contained HTML page.
class NORMKIT_API HtmlPage {
 public:
  explicit HtmlPage(std::string title);
  void Heading(const std::string& text);
  void Paragraph(const std::string& text);
  void Add(const Table& table);
  void Add(const Plot& plot);
  std::string ToString() const;

 private:
  std::string title_, body_;
};

}  // namespace normkit
