#include "src/train/evaluator.h"

#include <algorithm>

#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/data/identity.h"
#include "src/train/batches.h"

namespace normkit {

Evaluator::Evaluator(const Graph& graph, DataPtr data, Loss loss, int64_t batch_size)
    : data_(std::move(data)),
      objective_(graph, *data_, loss),
      batch_size_(batch_size),
      executor_(graph) {
  if (data_->size() == 0) Fail("evaluating '{}': has no observations", data_->Description());
}

Score Evaluator::Run(const Parameters& parameters, std::vector<int64_t>* predicted) {
  const std::vector<int64_t> order = EpochOrder(data_->size(), Shuffle::kNever, 0, 1);
  const std::vector<int64_t> sizes = BatchSizes(data_->size(), batch_size_, Single::kJoin);
  Score score;
  for (const std::span<const int64_t> indices : Cut(order, sizes)) {
    const Batch& batch = reader_.Read(*data_, indices, {.whole = std::ssize(indices)}, executor_);
    executor_.Forward(parameters, {});
    score.Add(objective_.Evaluate(executor_, batch, nullptr, {}, predicted));
  }
  return score;
}

// The observation that an answer is of.
int64_t Evaluator::ObservationOf(int64_t answer) const {
  int64_t index = 0;
  for (; index + 1 < data_->size() && answer >= data_->Answers(index); ++index)
    answer -= data_->Answers(index);
  return index;
}

std::string Evaluator::BadOutput(const Score& score) const {
  if (score.first_bad < 0) return "";
  return fmt::format(
      "evaluating '{}': what the network gives for {} is not finite: numbers overflow inside it",
      data_->Description(), data_->ObservationName(ObservationOf(score.first_bad)));
}

namespace {

// What the network's own class names say; sizes and kinds are compared by Objective.
void CheckClasses(const Network& network, const DataSource& data) {
  if (network.classes.empty()) return;
  const int64_t width = network.graph.layout(network.graph.output()).size();
  if (std::ssize(network.classes) != width)
    Fail("evaluating '{}': the network has names of {} classes, expected {} (what it gives)",
         data.Description(), network.classes.size(), width);
  if (data.classes().empty())
    Fail("evaluating '{}': it has targets, expected the {} classes of the network",
         data.Description(), width);
  const std::string difference = DifferenceOfClasses(data.classes(), network.classes);
  if (!difference.empty()) Fail("evaluating '{}': {}", data.Description(), difference);
}

}  // namespace

Evaluation Evaluate(const Network& network, const DataPtr& data, int64_t mini_batch_size,
                    Loss loss) {
  if (!data) Fail("evaluating: no data given");
  if (mini_batch_size < 1)
    Fail("evaluating '{}': mini_batch_size is {}, expected 1 or more", data->Description(),
         mini_batch_size);
  CheckClasses(network, *data);
  Evaluator evaluator(network.graph, data, loss, mini_batch_size);
  Evaluation evaluation;
  const Score score = evaluator.Run(network.parameters, &evaluation.predicted);
  if (const std::string bad = evaluator.BadOutput(score); !bad.empty()) Fail("{}", bad);
  evaluation.accuracy = score.accuracy();
  evaluation.loss = score.mean_loss();
  const size_t classes = data->classes().size();
  evaluation.confusion.assign(classes, std::vector<int64_t>(classes));
  std::vector<int64_t> labels;
  auto predicted = evaluation.predicted.begin();
  for (int64_t i = 0; classes > 0 && i < data->size(); ++i) {
    labels.resize(static_cast<size_t>(data->Answers(i)));
    data->ReadLabels(i, labels);
    for (const int64_t label : labels)
      ++evaluation.confusion[static_cast<size_t>(label)][static_cast<size_t>(*predicted++)];
  }
  return evaluation;
}

std::vector<ClassScore> ClassScores(const Evaluation& evaluation,
                                    const std::vector<std::string>& classes) {
  std::vector<ClassScore> scores;
  for (size_t k = 0; k < classes.size(); ++k) {
    ClassScore& score = scores.emplace_back();
    score.name = classes[k];
    score.correct = evaluation.confusion[k][k];
    for (size_t other = 0; other < classes.size(); ++other) {
      score.observations += evaluation.confusion[k][other];
      score.predicted += evaluation.confusion[other][k];
    }
  }
  return scores;
}

}  // namespace normkit
