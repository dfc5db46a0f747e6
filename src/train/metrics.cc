#include "src/train/metrics.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace normkit {
namespace {

// Of observations by what the class is given for each: those of the class count their place among
// all, equal ones the mean of their places.
double AreaOfClass(std::span<const int64_t> labels, std::span<const float> scores, int64_t classes,
                   int64_t label, std::vector<size_t>& order) {
  const auto score = [&](size_t i) {
    return scores[i * static_cast<size_t>(classes) + static_cast<size_t>(label)];
  };
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, score);
  double places = 0, of_class = 0;
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    double equal = 0;
    for (end = begin; end < order.size() && score(order[end]) == score(order[begin]); ++end)
      equal += labels[order[end]] == label ? 1 : 0;
    places += equal * (static_cast<double>(begin + end + 1) / 2);
    of_class += equal;
  }
  const double rest = static_cast<double>(order.size()) - of_class;
  return (places - of_class * (of_class + 1) / 2) / (of_class * rest);
}

}  // namespace

double FScore(std::span<const int64_t> labels, std::span<const int64_t> predicted,
              int64_t classes) {
  const auto count = static_cast<size_t>(classes);
  std::vector<double> right(count), of_class(count), given(count);
  for (size_t i = 0; i < labels.size(); ++i) {
    ++of_class[static_cast<size_t>(labels[i])];
    if (predicted[i] < 0) continue;  // not finite
    ++given[static_cast<size_t>(predicted[i])];
    if (predicted[i] == labels[i]) ++right[static_cast<size_t>(labels[i])];
  }
  double sum = 0, occur = 0;
  for (size_t c = 0; c < count; ++c) {
    if (of_class[c] == 0) continue;
    sum += 2 * right[c] / (of_class[c] + given[c]);
    ++occur;
  }
  return 100 * sum / std::max(occur, 1.0);
}

double AreaUnderCurve(std::span<const int64_t> labels, std::span<const float> scores,
                      int64_t classes) {
  std::vector<size_t> order(labels.size());
  double sum = 0, occur = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const auto of_class = std::ranges::count(labels, c);
    if (of_class == 0 || of_class == std::ssize(labels)) continue;
    sum += AreaOfClass(labels, scores, classes, c, order);
    ++occur;
  }
  return 100 * sum / std::max(occur, 1.0);
}

bool IsBetter(Metric metric, double value, double than) {
  const bool less = metric == Metric::kLoss || metric == Metric::kRmse;
  return less ? value < than : value > than;
}

}  // namespace normkit
