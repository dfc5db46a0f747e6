#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "normkit/train/train.h"

namespace normkit {
namespace {

// ", and the validation loss was lowest in epoch 4 (1.482, at the end 1.731)", or nothing.
std::string LowestBefore(const TrainingResult& result) {
  const ProgressRow* lowest = nullptr;
  for (const ProgressRow& row : result.history)
    if (row.has_validation && (!lowest || row.validation_loss < lowest->validation_loss))
      lowest = &row;
  if (!lowest || lowest->epoch == result.history.back().epoch ||
      !(lowest->validation_loss < result.final_validation_loss))
    return "";
  return fmt::format(", and the validation loss was lowest in epoch {} ({:.4g}, at the end {:.4g})",
                     lowest->epoch, lowest->validation_loss, result.final_validation_loss);
}

}  // namespace

double TrainingAccuracy(const TrainingResult& result) {
  double sum = 0, count = 0;
  for (const ProgressRow& row : result.history) {
    if (row.epoch != result.history.back().epoch) continue;
    sum += row.batch_accuracy;
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

std::string DescribeParting(const TrainingResult& result, int64_t validation_size) {
  constexpr double kPoints = 5, kDeviations = 3, kTimes = 1.5;
  if (!result.has_validation || result.history.empty() || validation_size < 1) return "";
  const double trained = TrainingAccuracy(result), validated = result.final_validation_accuracy;
  if (!result.of_classes) {
    if (validated <= kTimes * trained) return "";
    return fmt::format(
        "Training and validation part: the RMSE is {:.4g} on the training data (last epoch), "
        "{:.4g} "
        "on the validation data{}; more data or fewer epochs help.",
        trained, validated, LowestBefore(result));
  }
  // What is measured on few observations is not far from anything.
  const double deviation =
      std::sqrt(validated * (100 - validated) / static_cast<double>(validation_size));
  if (trained - validated < std::max(kPoints, kDeviations * deviation)) return "";
  return fmt::format(
      "Training and validation part: {:.1f} % of the training data are right (last epoch), {:.1f} "
      "% of the validation data{}; more data or fewer epochs help.",
      trained, validated, LowestBefore(result));
}

}  // namespace normkit
