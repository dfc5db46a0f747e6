// Tables as text, a row a line: commas, semicolons or tabs between cells (RFC 4180 and its kin).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace normkit {

// The rows of a table. Lines that are blank or begin with "#" are passed over; cells may stand in
// quotes and hold line ends there. What separates is what the first row has: a semicolon, a tab, or
// else commas.
class CsvRows {
 public:
  CsvRows(std::string_view bytes, const std::string& where);

  bool Next();  // throws Error where a quote does not end, or ends inside a cell
  const std::vector<std::string_view>& cells() const { return cells_; }  // until the next call
  int64_t line() const { return line_; }                                 // where the row begins

 private:
  bool SkipToRow();
  std::string_view TakeCell();
  std::string_view TakeQuoted();
  void TakeLineEnd();

  std::string_view rest_;
  const std::string& where_;
  char separator_ = ',';
  int64_t line_ = 0, next_line_ = 1;
  std::vector<std::string_view> cells_;
  std::deque<std::string> unquoted_;  // what cells with quotes in them hold
};

// A table of numbers, but for one column of what is to be told of each row.
struct CsvTable {
  std::vector<std::string> names;  // of the columns of x; none: the file has no header
  int64_t rows = 0, columns = 0;   // of x
  std::vector<float> x;            // [rows, columns]
  // The other column, and what it is called: "column 'species'".
  bool has_answers = false;
  std::string answers_are;
  std::vector<std::string> answers;  // the text of each row
  std::vector<std::string> notes;    // what was passed over
};

// `label_column`: its name, or its number from 1; "": the only one that is called label, class,
// target or y, else the last. `answers`: whether there is one at all. The first row is a header
// where none of its cells is a number, or a text stands above a number. A column without a name
// that counts the rows is left out. Throws Error that begins with `where` and says in which line
// and column.
CsvTable ParseCsv(std::string_view bytes, const std::string& where, bool answers,
                  const std::string& label_column = "");

}  // namespace normkit
