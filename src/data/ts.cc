#include "src/data/ts.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/data/labels.h"
#include "src/data/text_lines.h"

namespace normkit {
namespace {

constexpr NumberRange<int64_t> kSizes{1, 1'000'000'000};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return lower;
}

// What stands before the data. Names of tags are of any case, @dimension is @dimensions.
struct TsHeader {
  std::optional<int64_t> dimensions, length;  // @dimensions, @seriesLength
  bool equal_length = false;
  bool classes = false, targets = false;
  std::vector<std::string> class_names;  // none: those that occur
};

class TsParser {
 public:
  TsParser(std::string_view bytes, const std::string& where) : lines_(bytes), where_(where) {}

  SequenceData Parse() {
    ReadHeader();
    while (lines_.Next())
      if (const std::string_view line = Trimmed(lines_.line()); IsData(line)) ReadSequence(line);
    if (data_.lengths.empty()) Fail("{}: has no sequences behind @data", where_);
    data_.layout = RowLayout(channels_);
    data_.description = fmt::format("{} ({} sequences)", where_, data_.lengths.size());
    TakeAnswers();
    return std::move(data_);
  }

 private:
  static bool IsData(std::string_view line) { return !line.empty() && line[0] != '#'; }
  std::string Line() const { return fmt::format("{}: line {}", where_, lines_.number()); }

  void ReadHeader() {
    while (lines_.Next()) {
      std::string_view line = Trimmed(lines_.line());
      if (!IsData(line)) continue;
      if (line[0] != '@')
        Fail("{}: begins with {}, expected a tag such as @problemName, or @data", Line(),
             Quoted(line.substr(0, 20)));
      if (ReadTag(line)) return;
    }
    Fail("{}: has no @data, expected it before the sequences", where_);
  }

  // True for the tag behind which the data are.
  bool ReadTag(std::string_view line) {
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    std::string name = Lower(line.substr(1, end - 1));
    const std::string_view value = Trimmed(line.substr(end));
    if (name == "dimension") name = "dimensions";
    const auto tag = std::ranges::find(kTags, name, [](const Tag& t) { return Lower(t.name); });
    if (tag == std::end(kTags)) FailTag(line.substr(1, end - 1));
    if (!seen_.insert(name).second) Fail("{}: @{} stands twice", Line(), tag->name);
    if (tag->take) (this->*tag->take)(value, tag->name);
    return name == "data";
  }

  [[noreturn]] void FailTag(std::string_view name) const {
    if (Lower(name) == "relation")
      Fail("{}: '@relation' is of an ARFF file, expected .ts, .csv or .npz", Line());
    std::vector<std::string> names;
    for (const Tag& tag : kTags) names.emplace_back(tag.name);
    Fail("{}: tag {} is unknown, expected one of @{}{}", Line(), Quoted(name),
         fmt::join(names, ", @"), DidYouMean(name, names));
  }

  bool Flag(std::string_view value, const char* tag) const {
    const std::string lower = Lower(value);
    if (lower != "true" && lower != "false")
      Fail("{}: @{} is {}, expected true or false", Line(), tag, Quoted(value));
    return lower == "true";
  }
  int64_t Size(std::string_view value, const char* tag) const {
    const std::optional<int64_t> size = ParseNumber<int64_t>(value);
    if (!size || !kSizes.Contains(*size))
      Fail("{}: @{} is {}, expected {}", Line(), tag, Quoted(value), kSizes.ToString());
    return *size;
  }

  void TimeStamps(std::string_view value, const char* tag) {
    if (Flag(value, tag))
      Fail("{}: @{} is true, expected values alone, a step each, without time stamps", Line(), tag);
  }
  void Missing(std::string_view value, const char* tag) { Flag(value, tag); }  // by the values
  void Univariate(std::string_view value, const char* tag) {
    if (!Flag(value, tag)) return;
    if (header_.dimensions.value_or(1) != 1)
      Fail("{}: @{} is true, but @dimensions {}", Line(), tag, *header_.dimensions);
    header_.dimensions = 1;
  }
  void Dimensions(std::string_view value, const char* tag) {
    const int64_t size = Size(value, tag);
    if (header_.dimensions.value_or(size) != size)
      Fail("{}: @{} is {}, but @univariate true", Line(), tag, size);
    header_.dimensions = size;
  }
  void EqualLength(std::string_view value, const char* tag) {
    header_.equal_length = Flag(value, tag);
  }
  void SeriesLength(std::string_view value, const char* tag) { header_.length = Size(value, tag); }
  void TargetLabel(std::string_view value, const char* tag) {
    header_.targets = Flag(value, tag);
    CheckOneAnswer();
  }
  void ClassLabel(std::string_view value, const char* tag) {
    const size_t end = std::min(value.find_first_of(" \t"), value.size());
    header_.classes = Flag(value.substr(0, end), tag);
    CheckOneAnswer();
    for (value = Trimmed(value.substr(end)); !value.empty();) {
      const size_t stop = std::min(value.find_first_of(" \t"), value.size());
      const std::string name = OneLine(value.substr(0, stop));
      if (!class_index_.emplace(name, std::ssize(header_.class_names)).second)
        Fail("{}: class {} stands twice in @{}", Line(), Quoted(name), tag);
      header_.class_names.push_back(name);
      value = Trimmed(value.substr(stop));
    }
  }
  void CheckOneAnswer() const {
    if (header_.classes && header_.targets)
      Fail("{}: both @classLabel and @targetLabel are true, expected one", Line());
  }

  // Dimensions with ":" between them, values with ",", and what is to be told at the end.
  void ReadSequence(std::string_view line) {
    const bool answered = header_.classes || header_.targets;
    size_t count = 0;
    for (bool more = true; more;) {
      const std::string_view part = TakePart(line, ':', more);
      if (!more && answered)
        ReadAnswer(Trimmed(part));
      else
        ReadDimension(part, count++);
    }
    CheckDimensions(static_cast<int64_t>(count));
    const size_t length = values_[0].size();
    for (size_t step = 0; step < length; ++step)
      for (size_t k = 0; k < count; ++k) data_.x.push_back(values_[k][step]);
    data_.lengths.push_back(static_cast<int64_t>(length));
  }

  void ReadDimension(std::string_view text, size_t k) {
    if (k == values_.size()) values_.emplace_back();
    std::vector<float>& values = values_[k];
    values.clear();
    for (bool more = true; more;) {
      const std::string_view cell = TakePart(text, ',', more);
      const std::optional<float> value = ParseFloat(cell);
      if (!value) FailValue(Trimmed(cell), k, values.size());
      values.push_back(*value);
    }
    if (k > 0 && values.size() != values_[0].size())
      Fail("{}: dimension {} has {} values, expected {}, as dimension 1", Line(), k + 1,
           values.size(), values_[0].size());
  }

  [[noreturn]] void FailValue(std::string_view cell, size_t k, size_t step) const {
    const std::string place = fmt::format("{}: dimension {}, value {}", Line(), k + 1, step + 1);
    if (cell == "?") Fail("{} is missing ('?'), expected a number", place);
    if (cell.starts_with('(')) Fail("{} has a time stamp, expected a number alone", place);
    Fail("{} is {}, expected a number", place, Quoted(cell));
  }

  void CheckDimensions(int64_t count) {
    const auto length = count == 0 ? 0 : std::ssize(values_[0]);
    if (count == 0)
      Fail("{}: has no values before its {}, expected some and ':'", Line(),
           header_.classes ? "class" : "target");
    if (channels_ == 0) channels_ = header_.dimensions.value_or(count);
    if (count != channels_) Fail("{}: has {} dimensions, expected {}", Line(), count, channels_);
    if (header_.equal_length && !header_.length) header_.length = length;
    if (header_.equal_length && length != *header_.length)
      Fail("{}: has {} steps, expected {} (@equalLength is true)", Line(), length, *header_.length);
  }

  void ReadAnswer(std::string_view text) {
    if (header_.targets) {
      const std::optional<float> target = ParseFloat(text);
      if (!target) Fail("{}: target is {}, expected a number", Line(), Quoted(text));
      return data_.targets.push_back(*target);
    }
    const std::string name = OneLine(text);
    if (!class_index_.empty() && !class_index_.contains(name))
      Fail("{}: class is {}, expected one of those that @classLabel names: {}", Line(),
           Quoted(text), fmt::join(header_.class_names, ", "));
    answers_.push_back(name);
  }

  void TakeAnswers() {
    if (header_.targets) data_.target_size = 1;
    if (!header_.classes) return;
    Labels labels;
    if (class_index_.empty()) {
      labels = LabelsOfTexts(answers_);
    } else {
      std::vector<int64_t> numbers;
      for (const std::string& name : answers_) numbers.push_back(class_index_.at(name));
      labels = LabelsOfNames(std::move(numbers), header_.class_names, where_);
    }
    data_.labels = std::move(labels.labels);
    data_.classes = std::move(labels.classes);
    data_.notes = std::move(labels.notes);
  }

  struct Tag {
    const char* name;
    void (TsParser::*take)(std::string_view value, const char* tag);  // null: says nothing to us
  };
  static constexpr Tag kTags[] = {{"problemName", nullptr},
                                  {"timeStamps", &TsParser::TimeStamps},
                                  {"missing", &TsParser::Missing},
                                  {"univariate", &TsParser::Univariate},
                                  {"dimensions", &TsParser::Dimensions},
                                  {"equalLength", &TsParser::EqualLength},
                                  {"seriesLength", &TsParser::SeriesLength},
                                  {"classLabel", &TsParser::ClassLabel},
                                  {"targetLabel", &TsParser::TargetLabel},
                                  {"data", nullptr}};

  TextLines lines_;
  const std::string& where_;
  TsHeader header_;
  std::set<std::string> seen_;
  std::map<std::string, int64_t> class_index_;
  int64_t channels_ = 0;
  std::vector<std::vector<float>> values_;  // of the line at hand, by dimension
  std::vector<std::string> answers_;
  SequenceData data_;
};

}  // namespace

bool LooksLikeTs(std::string_view start) {
  TextLines lines(start);
  while (lines.Next()) {
    const std::string_view line = Trimmed(lines.line());
    if (!line.empty() && line[0] != '#') return line[0] == '@';
  }
  return false;
}

SequenceData ParseTs(std::string_view bytes, const std::string& where) {
  return TsParser(bytes, where).Parse();
}

}  // namespace normkit
