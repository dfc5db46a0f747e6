#include "src/data/csv_source.h"

#include <array>
#include <memory>
#include <utility>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/array_source.h"
#include "src/data/csv.h"
#include "src/data/labels.h"
#include "src/data/sequence_data.h"

namespace normkit {
namespace {

// Says what is told of the rows; `answers` gets it.
std::vector<std::string> NotesOf(const CsvTable& table, const std::string& path,
                                 LabelsOrTargets& answers) {
  std::vector<std::string> notes;
  if (table.has_answers) {
    answers = AnswersOfTexts(table.answers, fmt::format("{}: {}", path, table.answers_are));
    notes.push_back(fmt::format("{} in {}", answers.targets.empty() ? "classes" : "targets",
                                table.answers_are));
    notes.insert(notes.end(), answers.labels.notes.begin(), answers.labels.notes.end());
  }
  notes.insert(notes.end(), table.notes.begin(), table.notes.end());
  return notes;
}

// A row an observation.
DataPtr Features(const std::string& path, CsvTable table) {
  LabelsOrTargets answers;
  std::vector<std::string> notes = NotesOf(table, path, answers);
  const int64_t target_size = answers.targets.empty() ? 0 : 1;
  return std::make_shared<ArraySource<float>>(Arrays<float>{
      .layout = Layout::Make("BC", std::array<int64_t, 2>{1, table.columns}),
      .x = std::move(table.x),
      .labels = std::move(answers.labels.labels),
      .classes = std::move(answers.labels.classes),
      .targets = std::move(answers.targets),
      .target_size = target_size,
      .description = fmt::format("{} ({} rows)", path, table.rows),
      .notes = std::move(notes),
  });
}

// A row a step.
DataPtr Steps(const std::string& path, CsvTable table, const OpenOptions& options) {
  LabelsOrTargets answers;
  SequenceData data;
  data.notes = NotesOf(table, path, answers);
  data.layout = RowLayout(table.columns);
  data.x = std::move(table.x);
  data.lengths = {table.rows};
  data.answers_each_row = table.has_answers;
  data.target_size = answers.targets.empty() ? 0 : 1;
  data.targets = std::move(answers.targets);
  data.labels = std::move(answers.labels.labels);
  data.classes = std::move(answers.labels.classes);
  data.description = fmt::format("{} (one sequence)", path);
  return MakeSequences(std::move(data), options);
}

}  // namespace

DataPtr OpenCsv(const std::string& path, const OpenOptions& options) {
  const std::string& format = options.format;
  if (!format.empty() && format != "BC" && format != "TC")
    Fail("{}: format '{}' is given, expected BC (a row an observation) or TC (a row a step)", path,
         format);
  const std::string bytes = ReadFile(path);
  if (format != "TC") return Features(path, ParseCsv(bytes, path, true, options.label_column));
  const bool answers = !options.forecast || !options.label_column.empty();
  return Steps(path, ParseCsv(bytes, path, answers, options.label_column), options);
}

}  // namespace normkit
