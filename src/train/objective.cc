#include "src/train/objective.h"

#include <algorithm>
#include <cmath>

#include "src/core/fail.h"
#include "src/core/finite.h"
#include "src/nn/loss.h"

namespace normkit {

void Score::Add(const Score& other) {
  if (first_bad < 0 && other.first_bad >= 0) first_bad = count + other.first_bad;
  count += other.count;
  loss += other.loss;
  correct += other.correct;
  squared_error += other.squared_error;
  target_values += other.target_values;
}

double Score::accuracy() const {
  if (target_values > 0) return std::sqrt(squared_error / static_cast<double>(target_values));
  return 100 * static_cast<double>(correct) / static_cast<double>(count);
}

Objective::Objective(const Graph& graph, const DataSource& data, Loss loss)
    : classification_(data.target_size() == 0), from_(graph.output()) {
  const Layout input = graph.input_layout();
  if (input != data.layout())
    Fail("data '{}': observations are {}, expected {} (what the network's input layer takes)",
         data.Description(), data.layout().ToString(), input.ToString());
  const LayerRecord& last = graph.layers().back();
  const bool softmax = last.layer->type() == "softmax";
  if (loss == Loss::kAuto) loss = softmax ? Loss::kCrossEntropy : Loss::kMeanSquaredError;
  const bool cross_entropy = loss == Loss::kCrossEntropy;
  if (cross_entropy != classification_)
    Fail("data '{}': {}, expected {} (the loss is {})", data.Description(),
         classification_ ? "classes to tell apart" : "targets to predict",
         cross_entropy ? "classes" : "targets", Name(loss));
  if (cross_entropy && !softmax)
    Fail("loss cross-entropy: the network ends in {} '{}', expected softmax", last.layer->type(),
         last.layer->name());
  if (cross_entropy) from_ = last.inputs.front();
  width_ = graph.layout(from_).size();
  const auto expected =
      classification_ ? static_cast<int64_t>(data.classes().size()) : data.target_size();
  if (width_ != expected)
    Fail("data '{}': {} {}, expected {} (what the network gives)", data.Description(), expected,
         classification_ ? "classes" : "target values", width_);
}

Score Objective::Evaluate(const Executor& executor, const Expected& expected,
                          std::span<float> doutput, std::vector<int64_t>* predicted) const {
  const std::span<const float> output = executor.value(from_);
  Score score;
  score.count = executor.batch_size();
  if (const size_t bad = FirstNonFinite(output); bad < output.size())
    score.first_bad = static_cast<int64_t>(bad) / width_;
  const auto count = static_cast<double>(score.count);
  if (!classification_) {
    const double loss = HalfMeanSquaredError(output, expected.targets, score.count, doutput);
    score.loss = loss * count;
    score.squared_error = 2 * loss * count;
    score.target_values = score.count * width_;
    return score;
  }
  score.loss = CrossEntropyLoss(output, expected.labels, width_, doutput) * count;
  for (int64_t i = 0; i < score.count; ++i) {
    const auto one = output.subspan(static_cast<size_t>(i * width_), static_cast<size_t>(width_));
    const bool bad = score.first_bad >= 0 && FirstNonFinite(one) < one.size();
    const int64_t best = bad ? -1 : std::max_element(one.begin(), one.end()) - one.begin();
    score.correct += best == expected.labels[static_cast<size_t>(i)];
    if (predicted) predicted->push_back(best);
  }
  return score;
}

}  // namespace normkit
