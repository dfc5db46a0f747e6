#include <fmt/format.h>

#include "src/report/report.h"
#include "src/report/text.h"

namespace normkit {
namespace {

constexpr const char* kPageStyle = R"css(
:root { color-scheme: light dark; --ink: #1f2328; --quiet: #59636e; --line: #d8dee4; --paper: #fff;
  --tint: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9198a1; --line: #343b44;
  --paper: #0d1117; --tint: #161b22; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 84rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0 0 1rem; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line);
  font-size: 1.2rem; }
p { max-width: 48rem; margin: .5rem 0; }
pre { overflow-x: auto; margin: .75rem 0; padding: .75rem 1rem; border-radius: 6px;
  background: var(--tint); font: 14px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; padding: 0; }
.figures div { min-width: 9rem; padding: .75rem 1rem; border: 1px solid var(--line);
  border-radius: 8px; background: var(--tint); }
.figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.plots svg { flex: 1 1 30rem; min-width: 0; max-width: 52rem; height: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: .75rem; margin: .75rem 0; }
.pictures figure { margin: 0; max-width: 100%; }
.pictures img { display: block; max-width: 100%; border-radius: 4px; image-rendering: auto; }
.pictures figcaption { color: var(--quiet); font-size: .85rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem; border-bottom: 1px solid var(--line); text-align: left;
  white-space: nowrap; }
th { color: var(--quiet); font-weight: 600; }
tbody tr:hover { background: var(--tint); }
.n { text-align: right; }
@media print { .figures div, pre { background: none; } }
)css";

std::string Element(const char* tag, const std::string& text) {
  return "<" + std::string(tag) + ">" + EscapeHtml(text) + "</" + tag + ">\n";
}

// The strongest shade is one that text is read on, light or dark.
std::string Shade(double part) {
  return part > 0 ? fmt::format(" style=\"background:rgb(9 105 218 / {:.2f})\"", 0.05 + part / 2)
                  : "";
}

std::string TableRow(const char* tag, const std::vector<std::string>& cells,
                     const std::vector<bool>& numeric, const std::vector<double>& shades = {}) {
  std::string row = "<tr>";
  for (size_t c = 0; c < numeric.size(); ++c) {
    row += "<" + std::string(tag) + (numeric[c] ? " class=\"n\"" : "") +
           Shade(c < shades.size() ? shades[c] : 0) + ">";
    row += EscapeHtml(c < cells.size() ? cells[c] : "") + "</" + tag + ">";
  }
  return row + "</tr>\n";
}

// RFC 4648, section 4.
std::string Base64(const std::string& bytes) {
  constexpr const char* kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text += i + k <= bytes.size() ? kLetters[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace

std::string PageStyle() { return kPageStyle; }

std::string EscapeHtml(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        const bool control = (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
        if (control)
          escaped += "\xef\xbf\xbd";
        else
          escaped += c;
      }
    }
  }
  return escaped;
}

HtmlPage::HtmlPage(std::string title) : title_(std::move(title)) {}

void HtmlPage::Block(std::string html, bool plot) {
  if (plot != in_plots_) body_ += plot ? "<div class=\"plots\">\n" : "</div>\n";
  in_plots_ = plot;
  body_ += html;
}

void HtmlPage::Heading(const std::string& text) { Block(Element("h2", text)); }

void HtmlPage::Paragraph(const std::string& text) { Block(Element("p", text)); }

void HtmlPage::Code(const std::string& text) { Block(Element("pre", text)); }

void HtmlPage::Figures(const std::vector<std::pair<std::string, std::string>>& figures) {
  std::string html = "<dl class=\"figures\">\n";
  for (const auto& [label, value] : figures)
    html += "<div>" + Element("dt", label) + Element("dd", value) + "</div>\n";
  Block(html + "</dl>\n");
}

void HtmlPage::Add(const Table& table) { Add(table, {}); }

void HtmlPage::Add(const Table& table, const std::vector<std::vector<double>>& shades) {
  const std::vector<bool> numeric = NumericColumns(table);
  std::string html = "<div class=\"scroll\"><table>\n";
  if (!table.header.empty())
    html += "<thead>" + TableRow("th", table.header, numeric) + "</thead>\n";
  html += "<tbody>\n";
  for (size_t r = 0; r < table.rows.size(); ++r)
    html += TableRow("td", table.rows[r], numeric,
                     r < shades.size() ? shades[r] : std::vector<double>());
  Block(html + "</tbody>\n</table></div>\n");
}

void HtmlPage::Add(const Plot& plot) { Block(ToSvg(plot), true); }

void HtmlPage::Add(const std::vector<PagePicture>& pictures) {
  std::string html = "<div class=\"pictures\">\n";
  for (const PagePicture& picture : pictures)
    html += "<figure><img alt=\"" + EscapeHtml(picture.caption) +
            "\" src=\"data:image/png;base64," + Base64(picture.png) + "\">" +
            Element("figcaption", picture.caption) + "</figure>\n";
  Block(html + "</div>\n");
}

std::string HtmlPage::ToString() const {
  const std::string title = EscapeHtml(title_);
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         title + "</title>\n<style>" + kPageStyle + "</style>\n</head>\n<body>\n<h1>" + title +
         "</h1>\n" + body_ + (in_plots_ ? "</div>\n" : "") + "</body>\n</html>\n";
}

}  // namespace normkit
