#include "src/train/evaluator.h"

#include <algorithm>

#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/data/identity.h"
#include "src/train/batches.h"
#include "src/train/metrics.h"

namespace normkit {

Evaluator::Evaluator(const Graph& graph, DataPtr data, const ObjectiveOptions& objective,
                     int64_t batch_size)
    : graph_(&graph),
      data_(std::move(data)),
      objective_(graph, *data_, objective),
      batch_size_(batch_size),
      executor_(graph) {
  if (data_->size() == 0) Fail("evaluating '{}': has no observations", data_->Description());
}

namespace {
template <class T>
void Append(std::vector<T>& to, std::span<const T> values) {
  to.insert(to.end(), values.begin(), values.end());
}
}  // namespace

Score Evaluator::Run(const Parameters& parameters, Predictions* predictions) {
  const std::vector<int64_t> order = EpochOrder(data_->size(), Shuffle::kNever, 0, 1);
  const std::vector<int64_t> sizes = BatchSizes(data_->size(), batch_size_, Single::kJoin);
  Score score;
  if (predictions) *predictions = {.width = graph_->layout(graph_->output()).size()};
  for (const std::span<const int64_t> indices : Cut(order, sizes)) {
    const Batch& batch = reader_.Read(*data_, indices, {.whole = std::ssize(indices)}, executor_);
    const std::span<const float> outputs = executor_.Forward(parameters, {});
    score.Add(objective_.Evaluate(executor_, batch, nullptr, {},
                                  predictions ? &predictions->predicted : nullptr));
    if (!predictions) continue;
    Append<float>(predictions->outputs, outputs);
    Append<int64_t>(predictions->labels, batch.labels);
    Append<float>(predictions->targets, batch.targets);
  }
  return score;
}

double Evaluator::MetricOf(const TrainingOptions& options, const Score& score,
                           const Predictions& predictions) const {
  if (options.metric_function) return options.metric_function(predictions);
  const Metric metric = options.objective_metric;
  if (metric == Metric::kLoss) return score.mean_loss();
  const bool targets = score.target_values > 0;
  const bool labels = metric == Metric::kFScore || metric == Metric::kAuc;
  if ((metric == Metric::kRmse) != targets || (labels && predictions.labels.empty()))
    Fail("validating on '{}': the objective metric {}, expected one of {}", data_->Description(),
         Name(metric), targets ? "targets, loss or rmse" : "such labels, loss or accuracy");
  if (metric == Metric::kFScore)
    return FScore(predictions.labels, predictions.predicted, predictions.width);
  if (metric == Metric::kAuc)
    return AreaUnderCurve(predictions.labels, predictions.outputs, predictions.width);
  return score.accuracy();
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
  Evaluator evaluator(network.graph, data, {.loss = loss}, mini_batch_size);
  Evaluation evaluation;
  Predictions predictions;
  const Score score = evaluator.Run(network.parameters, &predictions);
  if (const std::string bad = evaluator.BadOutput(score); !bad.empty()) Fail("{}", bad);
  evaluation.accuracy = score.accuracy();
  evaluation.loss = score.mean_loss();
  evaluation.predicted = std::move(predictions.predicted);
  const size_t classes = data->classes().size();
  if (classes > 0) {
    evaluation.f_score =
        FScore(predictions.labels, evaluation.predicted, static_cast<int64_t>(classes));
    evaluation.area_under_curve =
        AreaUnderCurve(predictions.labels, predictions.outputs, static_cast<int64_t>(classes));
  }
  evaluation.confusion.assign(classes, std::vector<int64_t>(classes));
  for (size_t i = 0; classes > 0 && i < predictions.labels.size(); ++i)
    ++evaluation.confusion[static_cast<size_t>(predictions.labels[i])]
                          [static_cast<size_t>(evaluation.predicted[i])];
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
