#include <algorithm>
#include <cctype>

#include "src/report/report.h"
#include "src/report/text.h"

namespace normkit {
namespace {

const std::string& Cell(const std::vector<std::string>& row, size_t column) {
  static const std::string empty;
  return column < row.size() ? row[column] : empty;
}

size_t Columns(const Table& table) {
  size_t columns = table.header.size();
  for (const auto& row : table.rows) columns = std::max(columns, row.size());
  return columns;
}

std::string Pad(const std::string& cell, size_t width, bool right) {
  const size_t letters = CountLetters(cell);
  const std::string gap(width > letters ? width - letters : 0, ' ');
  return right ? gap + cell : cell + gap;
}

std::string MarkdownCell(const std::string& cell) {
  std::string text;
  for (const char c : cell) {
    if (c == '|' || c == '\\')
      text += {'\\', c};
    else if (c == '\n' || c == '\r')
      text += ' ';
    else
      text += c;
  }
  return text;
}

std::string CsvCell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string CsvRow(const std::vector<std::string>& row, size_t columns) {
  std::string line;
  for (size_t c = 0; c < columns; ++c) line += (c ? "," : "") + CsvCell(Cell(row, c));
  // A lone empty cell would otherwise be an empty line, which readers skip.
  return (columns == 1 && line.empty() ? "\"\"" : line) + "\r\n";
}

}  // namespace

std::vector<bool> NumericColumns(const Table& table) {
  std::vector<bool> numeric(Columns(table));
  for (size_t c = 0; c < numeric.size(); ++c) {
    bool any = false, all = true;
    for (const auto& row : table.rows) {
      const std::string& cell = Cell(row, c);
      if (cell.empty() || cell == "-") continue;
      any = true;
      all = all && LooksNumeric(cell);
    }
    numeric[c] = any && all;
  }
  return numeric;
}

std::string ToText(const Table& table) {
  const std::vector<bool> numeric = NumericColumns(table);
  std::vector<size_t> widths(numeric.size());
  for (size_t c = 0; c < widths.size(); ++c) {
    widths[c] = CountLetters(Cell(table.header, c));
    for (const auto& row : table.rows) widths[c] = std::max(widths[c], CountLetters(Cell(row, c)));
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& row) {
    std::string cells;
    for (size_t c = 0; c < widths.size(); ++c)
      cells += (c ? "  " : "") + Pad(Cell(row, c), widths[c], numeric[c]);
    cells.erase(cells.find_last_not_of(' ') + 1);
    text += cells + "\n";
  };
  if (!table.header.empty()) {
    line(table.header);
    std::vector<std::string> rule;
    for (const size_t width : widths) rule.emplace_back(width, '-');
    line(rule);
  }
  for (const auto& row : table.rows) line(row);
  return text;
}

std::string ToMarkdown(const Table& table) {
  const std::vector<bool> numeric = NumericColumns(table);
  const auto line = [&](const std::vector<std::string>& row) {
    std::string cells = "|";
    for (size_t c = 0; c < numeric.size(); ++c) cells += " " + MarkdownCell(Cell(row, c)) + " |";
    return cells + "\n";
  };
  std::string text = line(table.header) + "|";
  for (const bool right : numeric) text += right ? "---:|" : "---|";
  text += "\n";
  for (const auto& row : table.rows) text += line(row);
  return text;
}

std::string ToCsv(const Table& table) {
  const size_t columns = Columns(table);
  std::string text;
  if (!table.header.empty()) text += CsvRow(table.header, columns);
  for (const auto& row : table.rows) text += CsvRow(row, columns);
  return text;
}

}  // namespace normkit
