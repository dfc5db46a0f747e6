// What `normkit compare` tells of its runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/train/options.h"
#include "normkit/train/train.h"
#include "src/report/report.h"

namespace normkit::tools {

// One training.
struct CompareRun {
  std::string norm;
  int64_t batch_size = 0;
  uint64_t seed = 0;
  double learn_rate = 0;
  bool diverged = false, stopped = false;
  double final_accuracy = 0, final_loss = 0;  // of the validation data, with the final statistics
  double seconds = 0;
  std::vector<ProgressRow> checkpoints;  // iterations with a validation, moving statistics
  std::vector<StatisticsGap> statistics_gaps;
};

// Validation accuracy at the end: a row a norm, a column a batch size; mean and, of several seeds,
// standard deviation.
Table FinalTable(const std::vector<CompareRun>& runs);

// The lowest and the highest of the seeds behind each cell of the FinalTable.
Table RangeTable(const std::vector<CompareRun>& runs);

// Validation accuracy over the iterations of one batch size: a row a norm and seed.
Table CheckpointTable(const std::vector<CompareRun>& runs, int64_t batch_size);

// What batch normalizations predict with, and how far the moving estimates were from it: a line a
// norm and batch size, the worst of its layers and seeds. None without batch normalization, or with
// moving statistics.
std::vector<std::string> StatisticsLines(const std::vector<CompareRun>& runs,
                                         Statistics statistics);

// All numbers: a row a run and checkpoint; a row a run with what it ended with.
std::string CompareCsv(const std::vector<CompareRun>& runs);
std::string FinalCsv(const std::vector<CompareRun>& runs);
std::string CompareJson(const std::vector<CompareRun>& runs);

// Self-contained page: curves by batch size, accuracy over batch size, the tables.
std::string ComparePage(const std::vector<CompareRun>& runs, Statistics statistics,
                        const std::string& title, const std::string& about,
                        const std::string& command);

// The batch sizes of the runs, in their order.
std::vector<int64_t> BatchSizesOf(const std::vector<CompareRun>& runs);

}  // namespace normkit::tools
