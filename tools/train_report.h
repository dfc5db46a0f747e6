// The files that a training leaves for people: history.csv and report.html.
#pragma once

#include <string>

#include "normkit/train/train.h"

namespace normkit::tools {

// A row an iteration; empty cells where nothing was validated.
std::string HistoryCsv(const std::vector<ProgressRow>& history);

// What the report says besides the result.
struct ReportFacts {
  std::string title, command;
  std::string config;        // the options, as --config takes them
  DataPtr data, validation;  // validation: null for none
};

// Self-contained: final figures, curves of accuracy and loss, options, layers, confusion matrix.
std::string TrainReport(const TrainingResult& result, const TrainingOptions& options,
                        const ReportFacts& facts);

}  // namespace normkit::tools
