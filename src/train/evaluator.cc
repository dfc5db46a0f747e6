#include "src/train/evaluator.h"

#include <algorithm>
#include <cmath>

#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/data/identity.h"
#include "src/train/batches.h"
#include "src/train/metrics.h"

namespace normkit {

Evaluator::Evaluator(const Graph& graph, DataPtr data, const ObjectiveOptions& objective,
                     int64_t batch_size, Reducer* reducer)
    : graph_(&graph),
      data_(std::move(data)),
      objective_(graph, *data_, objective),
      batch_size_(batch_size),
      executor_(graph),
      reducer_(reducer) {
  if (data_->size() == 0) Fail("evaluating '{}': has no observations", data_->Description());
}

namespace {

template <class T>
void Append(std::vector<T>& to, std::span<const T> values) {
  to.insert(to.end(), values.begin(), values.end());
}
template <class T>
void Append(std::vector<T>& to, const std::vector<T>& values) {
  Append(to, std::span(values));
}

// Those of all ranks, as long on each, in rank order.
template <class T>
std::vector<T> Gather(Reducer& reducer, const std::vector<T>& own) {
  std::vector<T> all(own.size() * static_cast<size_t>(reducer.ranks()));
  reducer.Gather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)));
  return all;
}

// Fills in those of `arrays`, of any lengths, that other ranks have: the i-th is of rank i % ranks.
template <class T>
void JoinTurns(Reducer& reducer, const std::vector<std::vector<T>*>& arrays) {
  const auto ranks = static_cast<size_t>(reducer.ranks());
  std::vector<size_t> sizes, sums(ranks);
  std::vector<T> own;
  for (const std::vector<T>* array : arrays) {
    sizes.push_back(array->size());
    Append(own, *array);
  }
  sizes = Gather(reducer, sizes);
  const auto size_of = [&](size_t i) { return sizes[i % ranks * arrays.size() + i]; };
  for (size_t i = 0; i < arrays.size(); ++i) sums[i % ranks] += size_of(i);
  const size_t longest = *std::ranges::max_element(sums);
  own.resize(longest);
  const std::vector<T> all = Gather(reducer, own);
  std::vector<size_t> at(ranks);  // read so far
  for (size_t i = 0; i < arrays.size(); ++i) {
    const T* first = all.data() + i % ranks * longest + at[i % ranks];
    arrays[i]->assign(first, first + size_of(i));
    at[i % ranks] += size_of(i);
  }
}

}  // namespace

Evaluator::Part Evaluator::RunBatch(const Parameters& parameters, std::span<const int64_t> indices,
                                    bool predicts) {
  const Batch& batch = reader_.Read(*data_, indices, {.whole = std::ssize(indices)}, executor_);
  const std::span<const float> outputs = executor_.Forward(parameters, {});
  Part part;
  Predictions& predictions = part.predictions;
  part.score = objective_.Evaluate(executor_, batch, nullptr, {},
                                   predicts ? &predictions.predicted : nullptr);
  if (!predicts) return part;
  predictions.outputs.assign(outputs.begin(), outputs.end());
  predictions.labels.assign(batch.labels.begin(), batch.labels.end());
  if (objective_.of_pixels())
    for (const float target : batch.targets) predictions.labels.push_back(std::llround(target));
  predictions.targets.assign(batch.targets.begin(), batch.targets.end());
  return part;
}

// Fills in the parts that other ranks have.
void Evaluator::Join(std::vector<Part>& parts, bool predicts) const {
  const auto ranks = static_cast<size_t>(reducer_->ranks());
  std::vector<Score> scores;
  for (const Part& part : parts) scores.push_back(part.score);
  scores = Gather(*reducer_, scores);
  for (size_t i = 0; i < parts.size(); ++i) parts[i].score = scores[i % ranks * parts.size() + i];
  if (!predicts) return;
  const auto join = [&]<class T>(std::vector<T> Predictions::*field) {
    std::vector<std::vector<T>*> arrays;
    for (Part& part : parts) arrays.push_back(&(part.predictions.*field));
    JoinTurns(*reducer_, arrays);
  };
  join(&Predictions::outputs);
  join(&Predictions::predicted);
  join(&Predictions::labels);
  join(&Predictions::targets);
}

Score Evaluator::Run(const Parameters& parameters, Predictions* predictions) {
  const std::vector<int64_t> order = EpochOrder(data_->size(), Shuffle::kNever, 0, 1);
  const std::vector<int64_t> sizes = BatchSizes(data_->size(), batch_size_, Single::kJoin);
  const auto batches = Cut(order, sizes);
  const size_t ranks = reducer_ ? static_cast<size_t>(reducer_->ranks()) : 1,
               rank = reducer_ ? static_cast<size_t>(reducer_->rank()) : 0;
  std::vector<Part> parts(batches.size());
  for (size_t i = rank; i < batches.size(); i += ranks)
    parts[i] = RunBatch(parameters, batches[i], predictions != nullptr);
  if (ranks > 1) Join(parts, predictions != nullptr);
  Score score;
  if (predictions) *predictions = {.width = graph_->layout(graph_->output()).size()};
  for (const auto& [of_batch, own] : parts) {
    score.Add(of_batch);
    if (!predictions) continue;
    Append(predictions->outputs, own.outputs);
    Append(predictions->predicted, own.predicted);
    Append(predictions->labels, own.labels);
    Append(predictions->targets, own.targets);
  }
  return score;
}

double Evaluator::MetricOf(const TrainingOptions& options, const Score& score,
                           const Predictions& predictions) const {
  if (options.metric_function) return options.metric_function(predictions);
  const Metric metric = options.objective_metric;
  if (metric == Metric::kLoss) return score.mean_loss();
  const bool targets = score.target_values > 0;
  const bool labels =
      metric == Metric::kFScore || metric == Metric::kAuc || metric == Metric::kDice;
  if ((metric == Metric::kRmse) != targets || (labels && predictions.labels.empty()))
    Fail("validating on '{}': the objective metric {}, expected one of {}", data_->Description(),
         Name(metric), targets ? "targets, loss or rmse" : "such labels, loss or accuracy");
  if (metric == Metric::kFScore)
    return FScore(predictions.labels, predictions.predicted, objective_.classes());
  if (metric == Metric::kDice)  // the same of sets of positions, averaged over classes
    return FScore(predictions.labels, predictions.predicted, objective_.classes());
  if (metric == Metric::kAuc)
    return AreaUnderCurve(predictions.labels, predictions.outputs, objective_.classes());
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

Evaluation Evaluate(const Network& network, const DataPtr& data, int64_t mini_batch_size, Loss loss,
                    Reducer* reducer) {
  if (!data) Fail("evaluating: no data given");
  if (mini_batch_size < 1)
    Fail("evaluating '{}': mini_batch_size is {}, expected 1 or more", data->Description(),
         mini_batch_size);
  CheckClasses(network, *data);
  Evaluator evaluator(network.graph, data, {.loss = loss}, mini_batch_size, reducer);
  Evaluation evaluation;
  Predictions predictions;
  const Score score = evaluator.Run(network.parameters, &predictions);
  if (const std::string bad = evaluator.BadOutput(score); !bad.empty())
    Fail<DivergedError>("{}", bad);
  evaluation.accuracy = score.accuracy();
  evaluation.loss = score.mean_loss();
  evaluation.predicted = std::move(predictions.predicted);
  const size_t classes = data->classes().size() + data->position_classes().size();
  if (!data->position_classes().empty()) {
    evaluation.dice =
        FScore(predictions.labels, evaluation.predicted, static_cast<int64_t>(classes));
  } else if (classes > 0) {
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
