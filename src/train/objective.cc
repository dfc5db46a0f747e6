#include "src/train/objective.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "src/core/batch_tree.h"
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
  const Layout& output = graph.layout(graph.output());
  if (output.packed() != data.answers_each_row())
    Fail("data '{}': has one {} for each {}, expected one for each {} (the network gives {})",
         data.Description(), classification_ ? "class" : "target",
         data.answers_each_row() ? "row" : "observation",
         data.answers_each_row() ? "observation" : "row", output.ToString());
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

Score Objective::Evaluate(const Executor& executor, const Batch& batch, Reducer* reducer,
                          std::span<float> doutput, std::vector<int64_t>* predicted) const {
  const LeafCut cut(executor.part(from_).rows(), executor.part(from_));
  const std::span<const float> output = executor.value(from_);
  std::array<Score, BatchPart::kLeaves> scores;
  LeafArrays<Score> leaves{};
  std::ranges::fill(doutput, 0.f);  // of a rank without observations
  for (int64_t i = 0; i < cut.count(); ++i) {
    const auto leaf = static_cast<size_t>(cut.leaf(i));
    const auto of_leaf = [&](auto values) {
      return values.empty() ? values
                            : values.subspan(static_cast<size_t>(cut.begin(i) * width_),
                                             static_cast<size_t>(cut.length(i) * width_));
    };
    scores[leaf] = ScoreOf(of_leaf(output), batch, cut.begin(i), cut.part().whole, of_leaf(doutput),
                           predicted);
    leaves[leaf] = &scores[leaf];
  }
  return *JoinLeaves(leaves, cut.part(), reducer, 1,
                     [](Score* into, const Score* from, int64_t) { into->Add(*from); });
}

// Of answers in a row, of which `first` is the first.
Score Objective::ScoreOf(std::span<const float> output, const Batch& batch, int64_t first,
                         int64_t whole, std::span<float> doutput,
                         std::vector<int64_t>* predicted) const {
  Score score;
  score.count = std::ssize(output) / width_;
  if (const size_t bad = FirstNonFinite(output); bad < output.size())
    score.first_bad = static_cast<int64_t>(bad) / width_;
  if (!classification_) {
    const auto targets =
        std::span(batch.targets).subspan(static_cast<size_t>(first * width_), output.size());
    score.loss = HalfSquaredErrorSum(output, targets, whole, doutput);
    score.squared_error = 2 * score.loss;
    score.target_values = score.count * width_;
    return score;
  }
  const auto labels =
      std::span(batch.labels).subspan(static_cast<size_t>(first), static_cast<size_t>(score.count));
  score.loss = CrossEntropySum(output, labels, width_, whole, doutput);
  for (int64_t i = 0; i < score.count; ++i) {
    const auto one = output.subspan(static_cast<size_t>(i * width_), static_cast<size_t>(width_));
    const bool bad = score.first_bad >= 0 && FirstNonFinite(one) < one.size();
    const int64_t best = bad ? -1 : std::max_element(one.begin(), one.end()) - one.begin();
    score.correct += best == labels[static_cast<size_t>(i)];
    if (predicted) predicted->push_back(best);
  }
  return score;
}

}  // namespace normkit
