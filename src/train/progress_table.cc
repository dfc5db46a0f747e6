#include "src/train/progress_table.h"

#include <fmt/format.h>

#include <vector>

namespace normkit {
namespace {

constexpr int kCell = 13;  // of a column

std::string TableLine(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += fmt::format(" {:>{}} |", cell, kCell);
  return line + "\n";
}

std::string HoursMinutesSeconds(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{:02}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

ProgressTable::ProgressTable(bool classification, bool validation)
    : classification_(classification), validation_(validation) {}

std::string ProgressTable::Rule() const {
  const int columns = validation_ ? 8 : 6;
  return fmt::format("|{:=>{}}|\n", "", columns * (kCell + 3) - 1);
}

std::string ProgressTable::Header() const {
  const std::string measure = classification_ ? "Accuracy" : "RMSE";
  std::vector<std::string> first{"Epoch", "Iteration", "Time Elapsed", "Mini-batch"};
  std::vector<std::string> second{"", "", "(hh:mm:ss)", measure};
  const auto add = [&](const char* above, const std::string& below) {
    first.emplace_back(above);
    second.push_back(below);
  };
  if (validation_) add("Validation", measure);
  add("Mini-batch", "Loss");
  if (validation_) add("Validation", "Loss");
  add("Base Learning", "Rate");
  return Rule() + TableLine(first) + TableLine(second) + Rule();
}

std::string ProgressTable::Row(const ProgressRow& row) const {
  const auto measure = [&](double value) {
    return classification_ ? fmt::format("{:.2f}%", value) : fmt::format("{:.4f}", value);
  };
  const auto if_validated = [&](const std::string& text) {
    return row.has_validation ? text : std::string();
  };
  std::vector<std::string> cells{std::to_string(row.epoch), std::to_string(row.iteration),
                                 HoursMinutesSeconds(row.seconds), measure(row.batch_accuracy)};
  if (validation_) cells.push_back(if_validated(measure(row.validation_accuracy)));
  cells.push_back(fmt::format("{:.4f}", row.batch_loss));
  if (validation_) cells.push_back(if_validated(fmt::format("{:.4f}", row.validation_loss)));
  cells.push_back(fmt::format("{:.4g}", row.learn_rate));
  return TableLine(cells);
}

}  // namespace normkit
