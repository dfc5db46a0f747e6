#include "src/data/csv.h"

#include <algorithm>
#include <optional>
#include <set>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/data/text_lines.h"

namespace normkit {
namespace {

char SeparatorOf(std::string_view row) {
  for (const char separator : {';', '\t'})
    if (row.find(separator) != row.npos) return separator;
  return ',';
}

bool IsLineEnd(char letter) { return letter == '\n' || letter == '\r'; }

}  // namespace

CsvRows::CsvRows(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {
  if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  if (SkipToRow()) separator_ = SeparatorOf(rest_.substr(0, rest_.find_first_of("\r\n")));
}

// To the next row that is neither blank nor a comment.
bool CsvRows::SkipToRow() {
  while (!rest_.empty()) {
    const std::string_view line = rest_.substr(0, rest_.find_first_of("\r\n"));
    if (!Trimmed(line).empty() && line[0] != '#') return true;
    rest_.remove_prefix(line.size());
    TakeLineEnd();
  }
  return false;
}

void CsvRows::TakeLineEnd() {
  if (rest_.empty()) return;
  rest_.remove_prefix(rest_.starts_with("\r\n") ? 2 : 1);
  ++next_line_;
}

bool CsvRows::Next() {
  if (!SkipToRow()) return false;
  line_ = next_line_;
  cells_.clear();
  unquoted_.clear();
  for (;;) {
    cells_.push_back(TakeCell());
    if (rest_.empty() || IsLineEnd(rest_[0])) break;
    rest_.remove_prefix(1);  // the separator
  }
  TakeLineEnd();
  return true;
}

std::string_view CsvRows::TakeCell() {
  const size_t begin = rest_.find_first_not_of(' ');
  if (begin != rest_.npos && rest_[begin] == '"') {
    rest_.remove_prefix(begin + 1);
    return TakeQuoted();
  }
  const char ends[] = {separator_, '\r', '\n', '\0'};
  const std::string_view cell = rest_.substr(0, rest_.find_first_of(std::string_view(ends, 3)));
  rest_.remove_prefix(cell.size());
  return Trimmed(cell);
}

// A quote in it is written twice.
std::string_view CsvRows::TakeQuoted() {
  std::string& cell = unquoted_.emplace_back();
  for (;;) {
    const size_t quote = rest_.find('"');
    if (quote == rest_.npos)
      Fail("{}: line {}, column {}: a quote begins that does not end", where_, line_,
           cells_.size() + 1);
    const std::string_view part = rest_.substr(0, quote);
    cell += part;
    next_line_ += std::ranges::count(part, '\n');
    rest_.remove_prefix(quote + 1);
    if (!rest_.starts_with('"')) break;
    cell += '"';
    rest_.remove_prefix(1);
  }
  while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  if (!rest_.empty() && rest_[0] != separator_ && !IsLineEnd(rest_[0]))
    Fail("{}: line {}, column {}: {} stands behind the quoted text, expected the end of the cell",
         where_, line_, cells_.size() + 1, Quoted(rest_.substr(0, 1)));
  return cell;
}

namespace {

using Cells = std::vector<std::string>;

class CsvParser {
 public:
  CsvParser(std::string_view bytes, const std::string& where, bool answers,
            const std::string& label_column)
      : bytes_(bytes), where_(where), rows_(bytes, where) {
    table_.has_answers = answers;
    ReadHeader();
    if (answers) ChooseAnswers(label_column);
    FindCounting();
  }

  CsvTable Parse() {
    if (!header_.empty()) rows_.Next();
    while (rows_.Next()) ReadRow();
    if (table_.rows == 0)
      Fail("{}: has no rows{}, expected some", where_, header_.empty() ? "" : " below its header");
    for (size_t i = 0; i < width_; ++i) {
      if (IsX(i)) ++table_.columns;
      if (IsX(i) && !header_.empty()) table_.names.push_back(OneLine(header_[i]));
    }
    if (table_.columns == 0)
      Fail("{}: has no column of numbers beside {}, expected some", where_, table_.answers_are);
    return std::move(table_);
  }

 private:
  bool IsX(size_t i) const { return i != answers_at_ && i != counting_; }

  // Looks at the first two rows.
  void ReadHeader() {
    CsvRows rows(bytes_, where_);
    if (!rows.Next()) Fail("{}: is empty, expected rows of numbers", where_);
    const Cells first(rows.cells().begin(), rows.cells().end());
    width_ = first.size();
    const auto is_number = [](std::string_view cell) { return ParseFloat(cell).has_value(); };
    bool header = std::ranges::none_of(first, is_number);
    if (rows.Next()) {
      second_.assign(rows.cells().begin(), rows.cells().end());
      for (size_t i = 0; i < std::min(width_, second_.size()); ++i)
        header |= !first[i].empty() && !is_number(first[i]) && is_number(second_[i]);
    }
    if (!header) return;
    header_ = first;
    std::set<std::string_view> seen;
    for (size_t i = 0; i < width_; ++i)
      if (!header_[i].empty() && !seen.insert(header_[i]).second)
        Fail("{}: columns {} and {} are both called {}, expected names that differ", where_,
             std::ranges::find(header_, header_[i]) - header_.begin() + 1, i + 1,
             Quoted(header_[i]));
  }

  void ChooseAnswers(const std::string& wanted) {
    answers_at_ = wanted.empty() ? UsualColumn() : FindColumn(wanted);
    table_.answers_are = ColumnName(answers_at_);
  }

  size_t UsualColumn() const {
    std::vector<size_t> usual;
    for (size_t i = 0; i < header_.size(); ++i)
      if (!SameLetters(header_[i], {"label", "class", "target", "y"}).empty()) usual.push_back(i);
    if (usual.size() > 1)
      Fail("{}: {} and {} may both be what is to be told, expected --label-column to say which",
           where_, ColumnName(usual[0]), ColumnName(usual[1]));
    return usual.empty() ? width_ - 1 : usual[0];
  }

  size_t FindColumn(const std::string& wanted) const {
    const auto named = std::ranges::find(header_, wanted);
    if (named != header_.end()) return static_cast<size_t>(named - header_.begin());
    const NumberRange<int64_t> numbers{1, static_cast<int64_t>(width_)};
    const std::optional<int64_t> number = ParseNumber<int64_t>(wanted);
    if (number && numbers.Contains(*number)) return static_cast<size_t>(*number - 1);
    if (header_.empty())
      Fail("{}: label column {} is asked for, expected {}: the columns have no names", where_,
           Quoted(wanted), numbers.ToString());
    Fail("{}: label column {} is asked for, expected one of its columns or their numbers{}{}",
         where_, Quoted(wanted), width_ <= 10 ? fmt::format(": {}", fmt::join(header_, ", ")) : "",
         DidYouMean(wanted, header_));
  }

  // An index as other programs write it: no name, and whole numbers one after the other.
  void FindCounting() {
    for (size_t i = 0; i < header_.size(); ++i) {
      if (!header_[i].empty() || i == answers_at_) continue;
      counting_ = i;
      break;
    }
    if (counting_ == kNone) return;
    CsvRows rows(bytes_, where_);
    rows.Next();
    std::optional<int64_t> expected;
    while (rows.Next()) {
      if (counting_ >= rows.cells().size()) return;  // said where rows are read
      const std::optional<int64_t> number = ParseNumber<int64_t>(rows.cells()[counting_]);
      if (!number || *number != expected.value_or(*number))
        Fail("{}: column {} has no name, expected one (or row numbers, which are left out)", where_,
             counting_ + 1);
      expected = *number + 1;
    }
    table_.notes.push_back(
        fmt::format("column {}, without a name, counts the rows: left out", counting_ + 1));
  }

  std::string ColumnName(size_t i) const {
    return header_.empty() || header_[i].empty() ? fmt::format("column {}", i + 1)
                                                 : fmt::format("column {}", Quoted(header_[i]));
  }
  // "line 3, column 2 ('width')".
  std::string Place(size_t i) const {
    const std::string name =
        header_.empty() || header_[i].empty() ? "" : fmt::format(" ({})", Quoted(header_[i]));
    return fmt::format("{}: line {}, column {}{}", where_, rows_.line(), i + 1, name);
  }

  void ReadRow() {
    const auto& cells = rows_.cells();
    if (cells.size() != width_)
      Fail("{}: line {} has {} cell{}, expected {}, as the first row", where_, rows_.line(),
           cells.size(), cells.size() == 1 ? "" : "s", width_);
    for (size_t i = 0; i < width_; ++i) {
      if (i == answers_at_)
        TakeAnswer(cells[i], i);
      else if (i != counting_)
        TakeNumber(cells[i], i);
    }
    ++table_.rows;
  }

  void TakeAnswer(std::string_view cell, size_t i) {
    if (Trimmed(cell).empty())
      Fail("{} is empty, expected the class or target of the row", Place(i));
    table_.answers.emplace_back(cell);
  }

  void TakeNumber(std::string_view cell, size_t i) {
    const std::optional<float> value = ParseFloat(cell);
    if (!value)
      Fail("{} is {}, expected a number{}", Place(i), cell.empty() ? "empty" : Quoted(cell),
           table_.has_answers
               ? fmt::format(" (what is to be told is {}; --label-column names another)",
                             table_.answers_are)
               : "");
    table_.x.push_back(*value);
  }

  static constexpr size_t kNone = ~size_t{0};

  std::string_view bytes_;
  const std::string& where_;
  CsvRows rows_;
  size_t width_ = 0, answers_at_ = kNone, counting_ = kNone;
  Cells header_, second_;
  CsvTable table_;
};

}  // namespace

CsvTable ParseCsv(std::string_view bytes, const std::string& where, bool answers,
                  const std::string& label_column) {
  return CsvParser(bytes, where, answers, label_column).Parse();
}

}  // namespace normkit
