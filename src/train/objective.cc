#include "src/train/objective.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "normkit/nn/loss.h"
#include "src/core/at_work.h"
#include "src/core/batch_tree.h"
#include "src/core/fail.h"
#include "src/core/finite.h"

namespace normkit {

void Score::Add(const Score& other) {
  if (first_bad < 0 && other.first_bad >= 0) first_bad = answers + other.first_bad;
  answers += other.answers;
  count += other.count;
  loss += other.loss;
  told += other.told;
  correct += other.correct;
  squared_error += other.squared_error;
  target_values += other.target_values;
}

double Score::accuracy() const {
  if (target_values > 0) return std::sqrt(squared_error / static_cast<double>(target_values));
  return 100 * static_cast<double>(correct) / static_cast<double>(told);
}

ObjectiveOptions ObjectiveOptions::Training(const TrainingOptions& options) {
  ObjectiveOptions objective = Validating(options);
  objective.class_weights = options.class_weights;
  objective.label_smoothing = options.label_smoothing;
  return objective;
}

ObjectiveOptions ObjectiveOptions::Validating(const TrainingOptions& options) {
  return {.loss = options.loss,
          .huber_transition = options.huber_transition,
          .function = options.loss_function};
}

Objective::Objective(const Graph& graph, const DataSource& data, const ObjectiveOptions& options)
    : options_(options), classification_(data.target_size() == 0), from_(graph.output()) {
  const int last = graph.value(from_).node;
  const bool softmax = last >= 0 && graph.node(last).op->name() == "softmax";
  Loss& loss = options_.loss;
  if (loss == Loss::kAuto)
    loss = !softmax                          ? Loss::kMeanSquaredError
           : data.position_classes().empty() ? Loss::kCrossEntropy
                                             : Loss::kDice;
  const bool of_classes = loss == Loss::kCrossEntropy || loss == Loss::kDice;
  width_ = graph.layout(from_).size();
  if (classification_ || (of_classes && !options_.function))
    classes_ = classification_ ? std::ssize(data.classes()) : graph.layout(from_).channels();
  if (!classification_ && classes_ > 0) pixels_ = data.target_size();
  CheckFit(graph, data, softmax);
  if (of_classes && !options_.function) from_ = graph.node(last).inputs.front();
  TakeWeights(data, options_.class_weights);
}

void Objective::CheckFit(const Graph& graph, const DataSource& data, bool softmax) const {
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
  const bool of_classes = options_.loss == Loss::kCrossEntropy || options_.loss == Loss::kDice;
  if (!options_.function) {
    // Of targets and cross-entropy: class numbers of pixels, where there are as many of them.
    const bool of_pixels = of_classes && width_ == pixels_ * classes_ && pixels_ > 1;
    if (of_classes != classification_ && !of_pixels)
      Fail("data '{}': {}, expected {} (the loss is {})", data.Description(),
           classification_ ? "classes to tell apart" : "targets to predict",
           of_classes ? "classes" : "targets", Name(options_.loss));
    if (of_classes && !softmax)
      Fail("loss {}: the network ends in {}, expected softmax", Name(options_.loss),
           graph.TitleOf(graph.output()));
  }
  const int64_t expected = classes_ > 0 ? pixels_ * classes_ : data.target_size();
  if (width_ != expected)
    Fail("data '{}': {} {}, expected {} (what the network gives)", data.Description(), expected,
         classification_ ? "classes" : "target values", width_);
}

void Objective::TakeWeights(const DataSource& data, const ClassWeights& weights) {
  const bool any = weights.balanced || !weights.values.empty();
  if (!any && options_.label_smoothing == 0) return;
  if (options_.loss != Loss::kCrossEntropy || options_.function)
    Fail("training on '{}': {} with the loss {}, expected cross-entropy", data.Description(),
         any ? "class weights" : "label smoothing",
         options_.function ? "of a function" : Name(options_.loss));
  weights_ = weights.values;
  if (!weights_.empty() && std::ssize(weights_) != classes_)
    Fail("training on '{}': {} class weights, expected {} (classes)", data.Description(),
         weights_.size(), classes_);
  for (const double weight : weights_)
    if (!(weight > 0) || !std::isfinite(weight))
      Fail("training on '{}': a class weight is {}, expected a finite number above 0",
           data.Description(), weight);
  if (!weights.balanced) return;
  if (!classification_)
    Fail("training on '{}': balanced class weights for pixels, expected a weight for each class",
         data.Description());
  std::vector<int64_t> counts(static_cast<size_t>(classes_)), labels;
  int64_t all = 0;
  for (int64_t i = 0; i < data.size(); ++i) {
    labels.resize(static_cast<size_t>(data.Answers(i)));
    data.ReadLabels(i, labels);
    for (const int64_t label : labels) ++counts[static_cast<size_t>(label)], ++all;
  }
  weights_.clear();
  for (const int64_t count : counts)  // of a class that does not occur nothing comes
    weights_.push_back(count == 0 ? 1
                                  : static_cast<double>(all) / static_cast<double>(classes_) /
                                        static_cast<double>(count));
}

Score Objective::Evaluate(const Executor& executor, const Batch& batch, Reducer* reducer,
                          std::span<float> doutput, std::vector<int64_t>* predicted) const {
  const LeafCut cut(executor.part(from_).rows(), executor.part(from_));
  std::array<Score, BatchPart::kLeaves> scores;
  LeafArrays<Score> leaves{};
  std::ranges::fill(doutput, 0.f);  // of a rank without observations
  std::vector<int64_t> of_pixels;
  if (!classification_ && classes_ > 0)
    for (const float target : batch.targets) of_pixels.push_back(std::llround(target));
  const std::span<const int64_t> labels = of_pixels.empty() ? batch.labels : of_pixels;
  for (int64_t i = 0; i < cut.count(); ++i) {
    const auto leaf = static_cast<size_t>(cut.leaf(i));
    const auto of_leaf = [&](auto values, int64_t each) {
      const int64_t begin = cut.begin(i) * each, size = cut.length(i) * each;
      return values.empty() ? values
                            : values.subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
    };
    scores[leaf] = ScoreOf(
        {.output = of_leaf(executor.value(from_), width_),
         .labels = of_leaf(labels, pixels_),
         .targets = of_leaf(std::span<const float>(batch.targets), classes_ > 0 ? pixels_ : width_),
         .whole = cut.part().whole,
         .doutput = of_leaf(doutput, width_)},
        predicted);
    leaves[leaf] = &scores[leaf];
  }
  return *JoinLeaves(leaves, cut.part(), reducer, 1,
                     [](Score* into, const Score* from, int64_t) { into->Add(*from); });
}

double Objective::OwnLoss(const Piece& piece) const {
  const Elsewhere callers;
  const double sum = options_.function(
      {.outputs = piece.output, .labels = piece.labels, .targets = piece.targets, .width = width_},
      piece.doutput);
  for (float& value : piece.doutput) value /= static_cast<float>(piece.whole);
  return sum;
}

double Objective::ErrorOf(const Piece& piece) const {
  switch (options_.loss) {
    case Loss::kMeanAbsoluteError:
      return AbsoluteErrorSum(piece.output, piece.targets, piece.whole, piece.doutput);
    case Loss::kHuber:
      return HuberErrorSum(piece.output, piece.targets, options_.huber_transition, piece.whole,
                           piece.doutput);
    default:
      return HalfSquaredErrorSum(piece.output, piece.targets, piece.whole, piece.doutput);
  }
}

Score Objective::ScoreOf(const Piece& piece, std::vector<int64_t>* predicted) const {
  Score score;
  score.answers = score.count = std::ssize(piece.output) / width_;
  if (const size_t bad = FirstNonFinite(piece.output); bad < piece.output.size())
    score.first_bad = static_cast<int64_t>(bad) / width_;
  if (classes_ > 0) {
    AddClasses(piece, score, predicted);
    return score;
  }
  score.loss = options_.function ? OwnLoss(piece) : ErrorOf(piece);
  score.squared_error = 2 * HalfSquaredErrorSum(piece.output, piece.targets, 1, {});
  score.target_values = score.answers * width_;
  return score;
}

void Objective::AddClasses(const Piece& piece, Score& score,
                           std::vector<int64_t>* predicted) const {
  if (options_.function) {
    score.loss = OwnLoss(piece);
  } else if (options_.loss == Loss::kDice) {
    score.loss =
        DiceLossSum(piece.output, piece.labels, classes_, pixels_, piece.whole, piece.doutput);
  } else {
    score.count *= pixels_;
    score.loss = CrossEntropySum(piece.output, piece.labels, classes_, piece.whole * pixels_,
                                 piece.doutput, {weights_, options_.label_smoothing});
  }
  score.told = score.answers * pixels_;
  const auto width = static_cast<size_t>(classes_);
  for (size_t i = 0; i < piece.labels.size(); ++i) {
    const auto one = piece.output.subspan(i * width, width);
    const bool bad = score.first_bad >= 0 && FirstNonFinite(one) < one.size();
    const int64_t best = bad ? -1 : std::max_element(one.begin(), one.end()) - one.begin();
    score.correct += best == piece.labels[i];
    if (predicted) predicted->push_back(best);
  }
}

bool TellsClasses(const Graph& graph, const DataSource& data, Loss loss) {
  return Objective(graph, data, {.loss = loss}).of_classes();
}

}  // namespace normkit
