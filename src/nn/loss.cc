#include "src/nn/loss.h"

#include <algorithm>
#include <cmath>

#include "src/core/fail.h"

namespace normkit {

double CrossEntropyLoss(std::span<const float> logits, std::span<const int64_t> labels,
                        int64_t num_classes, std::span<float> dlogits) {
  const auto batch = std::ssize(labels);
  return CrossEntropySum(logits, labels, num_classes, batch, dlogits) / static_cast<double>(batch);
}

double CrossEntropySum(std::span<const float> logits, std::span<const int64_t> labels,
                       int64_t num_classes, int64_t whole, std::span<float> dlogits) {
  const auto classes = static_cast<size_t>(num_classes), batch = labels.size();
  if (num_classes < 1 || batch == 0 || logits.size() != batch * classes)
    Fail("cross-entropy: {} scores given, expected {} (labels) x {} (classes)", logits.size(),
         batch, num_classes);
  if (!dlogits.empty() && dlogits.size() != logits.size())
    Fail("cross-entropy: gradient has {} values, expected {}", dlogits.size(), logits.size());
  double loss = 0;
  for (size_t b = 0; b < batch; ++b) {
    if (labels[b] < 0 || labels[b] >= num_classes)
      Fail("cross-entropy: label of observation {} is {}, expected 0 to {}", b, labels[b],
           num_classes - 1);
    const std::span<const float> x = logits.subspan(b * classes, classes);
    const double largest = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const float value : x) sum += std::exp(value - largest);
    loss += largest + std::log(sum) - x[static_cast<size_t>(labels[b])];
    if (dlogits.empty()) continue;
    for (size_t c = 0; c < classes; ++c) {
      const double target = static_cast<int64_t>(c) == labels[b] ? 1 : 0;
      dlogits[b * classes + c] = static_cast<float>((std::exp(x[c] - largest) / sum - target) /
                                                    static_cast<double>(whole));
    }
  }
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

}  // namespace normkit
