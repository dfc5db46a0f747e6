#include "normkit/nn/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "src/core/fail.h"

namespace normkit {

double CrossEntropyLoss(std::span<const float> logits, std::span<const int64_t> labels,
                        int64_t num_classes, std::span<float> dlogits) {
  const auto batch = std::ssize(labels);
  return CrossEntropySum(logits, labels, num_classes, batch, dlogits) / static_cast<double>(batch);
}

namespace {

void CheckScores(std::span<const float> logits, std::span<const int64_t> labels,
                 int64_t num_classes, std::span<float> dlogits) {
  const auto classes = static_cast<size_t>(num_classes), batch = labels.size();
  if (num_classes < 1 || batch == 0 || logits.size() != batch * classes)
    Fail("cross-entropy: {} scores given, expected {} (labels) x {} (classes)", logits.size(),
         batch, num_classes);
  if (!dlogits.empty() && dlogits.size() != logits.size())
    Fail("cross-entropy: gradient has {} values, expected {}", dlogits.size(), logits.size());
  for (size_t b = 0; b < batch; ++b)
    if (labels[b] < 0 || labels[b] >= num_classes)
      Fail("cross-entropy: label of observation {} is {}, expected 0 to {}", b, labels[b],
           num_classes - 1);
}

// The loss of one observation, and its gradient over `whole`.
double CrossEntropyOf(std::span<const float> x, size_t label, const ClassTargets& targets,
                      double whole, std::span<float> dx) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0, mean = 0;
  for (const float value : x) sum += std::exp(value - largest), mean += value;
  mean /= static_cast<double>(x.size());
  const double weight = targets.weights.empty() ? 1 : targets.weights[label];
  const double spread = targets.smoothing / static_cast<double>(x.size());
  for (size_t c = 0; c < dx.size(); ++c) {
    const double target = (c == label ? 1 - targets.smoothing : 0) + spread;
    dx[c] = static_cast<float>(weight * (std::exp(x[c] - largest) / sum - target) / whole);
  }
  const double told = targets.smoothing > 0
                          ? (1 - targets.smoothing) * x[label] + targets.smoothing * mean
                          : x[label];
  return weight * (largest + std::log(sum) - told);
}

}  // namespace

double CrossEntropySum(std::span<const float> logits, std::span<const int64_t> labels,
                       int64_t num_classes, int64_t whole, std::span<float> dlogits,
                       const ClassTargets& targets) {
  CheckScores(logits, labels, num_classes, dlogits);
  const auto classes = static_cast<size_t>(num_classes);
  double loss = 0;
  for (size_t b = 0; b < labels.size(); ++b)
    loss += CrossEntropyOf(logits.subspan(b * classes, classes), static_cast<size_t>(labels[b]),
                           targets, static_cast<double>(whole),
                           dlogits.empty() ? dlogits : dlogits.subspan(b * classes, classes));
  return loss;
}

namespace {

// softmax of each pixel.
std::vector<double> Probabilities(std::span<const float> logits, size_t classes) {
  std::vector<double> y(logits.begin(), logits.end());
  for (auto row = y.begin(); row != y.end(); row += static_cast<ptrdiff_t>(classes)) {
    const auto end = row + static_cast<ptrdiff_t>(classes);
    const double largest = *std::max_element(row, end);
    double sum = 0;
    for (auto at = row; at != end; ++at) sum += * at = std::exp(*at - largest);
    for (auto at = row; at != end; ++at) *at /= sum;
  }
  return y;
}

double DiceLossOf(std::span<const float> logits, std::span<const int64_t> labels, size_t classes,
                  double whole, std::span<float> dlogits) {
  const std::vector<double> y = Probabilities(logits, classes);
  std::vector<double> shared(classes), both(classes);
  for (size_t p = 0; p < labels.size(); ++p) {
    const auto label = static_cast<size_t>(labels[p]);
    for (size_t c = 0; c < classes; ++c) both[c] += y[p * classes + c];
    shared[label] += y[p * classes + label];
    both[label] += 1;
  }
  const auto count = static_cast<double>(classes);
  double overlap = 0;
  for (size_t c = 0; c < classes; ++c) overlap += (2 * shared[c] + 1) / (both[c] + 1) / count;
  for (size_t p = 0; !dlogits.empty() && p < labels.size(); ++p) {
    const double* row = &y[p * classes];
    std::vector<double> g(classes);  // of the loss with respect to y
    double along = 0;
    for (size_t c = 0; c < classes; ++c) {
      const double told = static_cast<size_t>(labels[p]) == c ? 2 : 0, size = both[c] + 1;
      g[c] = ((2 * shared[c] + 1) / size - told) / size / count;
      along += row[c] * g[c];
    }
    for (size_t c = 0; c < classes; ++c)
      dlogits[p * classes + c] = static_cast<float>(row[c] * (g[c] - along) / whole);
  }
  return 1 - overlap;
}

}  // namespace

double DiceLossSum(std::span<const float> logits, std::span<const int64_t> labels,
                   int64_t num_classes, int64_t pixels, int64_t batch, std::span<float> dlogits) {
  CheckScores(logits, labels, num_classes, dlogits);
  const auto n = static_cast<size_t>(pixels), classes = static_cast<size_t>(num_classes);
  if (pixels < 1 || labels.size() % n != 0)
    Fail("dice: {} labels given, expected a multiple of {} (pixels)", labels.size(), pixels);
  double loss = 0;
  for (size_t begin = 0; begin < labels.size(); begin += n)
    loss += DiceLossOf(logits.subspan(begin * classes, n * classes), labels.subspan(begin, n),
                       classes, static_cast<double>(batch),
                       dlogits.empty() ? dlogits : dlogits.subspan(begin * classes, n * classes));
  return loss;
}

double HalfMeanSquaredError(std::span<const float> y, std::span<const float> target,
                            int64_t batch_size, std::span<float> dy) {
  if (batch_size < 1 || y.size() != target.size() ||
      y.size() % static_cast<size_t>(batch_size) != 0)
    Fail("mean squared error: {} values given, expected {} (targets), a multiple of batch size {}",
         y.size(), target.size(), batch_size);
  if (!dy.empty() && dy.size() != y.size())
    Fail("mean squared error: gradient has {} values, expected {}", dy.size(), y.size());
  return HalfSquaredErrorSum(y, target, batch_size, dy) / static_cast<double>(batch_size);
}

double HalfSquaredErrorSum(std::span<const float> y, std::span<const float> target, int64_t batch,
                           std::span<float> dy) {
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double difference = static_cast<double>(y[i]) - target[i];
    sum += difference * difference;
    if (!dy.empty()) dy[i] = static_cast<float>(difference / static_cast<double>(batch));
  }
  return sum / 2;
}

double AbsoluteErrorSum(std::span<const float> y, std::span<const float> target, int64_t batch,
                        std::span<float> dy) {
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double difference = static_cast<double>(y[i]) - target[i];
    sum += std::abs(difference);
    const double sign = difference > 0 ? 1 : difference < 0 ? -1 : 0;
    if (!dy.empty()) dy[i] = static_cast<float>(sign / static_cast<double>(batch));
  }
  return sum;
}

double HuberErrorSum(std::span<const float> y, std::span<const float> target, double transition,
                     int64_t batch, std::span<float> dy) {
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double difference = static_cast<double>(y[i]) - target[i];
    const double clamped = std::clamp(difference, -transition, transition);
    sum += clamped * (difference - clamped / 2);
    if (!dy.empty()) dy[i] = static_cast<float>(clamped / static_cast<double>(batch));
  }
  return sum;
}

}  // namespace normkit
