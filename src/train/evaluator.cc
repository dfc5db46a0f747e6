#include "src/train/evaluator.h"

#include <algorithm>

#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/train/batches.h"

namespace normkit {

Evaluator::Evaluator(const Graph& graph, DataPtr data, Loss loss, int64_t batch_size)
    : graph_(&graph),
      data_(std::move(data)),
      objective_(graph, *data_, loss),
      batch_size_(batch_size) {
  if (data_->size() == 0) Fail("evaluating '{}': has no observations", data_->Description());
}

Score Evaluator::Run(Parameters& parameters, std::vector<int64_t>* predicted) {
  const std::vector<int64_t> order = EpochOrder(data_->size(), Shuffle::kNever, 0, 1);
  const std::vector<int64_t> sizes = BatchSizes(data_->size(), batch_size_, Single::kJoin);
  Score score;
  Expected expected;
  for (const std::span<const int64_t> indices : Cut(order, sizes)) {
    const auto size = static_cast<int64_t>(indices.size());
    Executor& executor = executors_.try_emplace(size, *graph_, size, false).first->second;
    ReadBatch(*data_, indices, executor.input());
    executor.Forward(parameters, {});
    ReadExpected(*data_, indices, expected);
    score.Add(objective_.Evaluate(executor, expected, {}, predicted));
  }
  return score;
}

Evaluation Evaluate(const Network& network, const DataPtr& data, int64_t mini_batch_size,
                    Loss loss) {
  if (mini_batch_size < 1)
    Fail("evaluating '{}': mini_batch_size is {}, expected 1 or more", data->Description(),
         mini_batch_size);
  Evaluator evaluator(network.graph, data, loss, mini_batch_size);
  Parameters parameters = network.parameters.Clone();
  Evaluation evaluation;
  const Score score = evaluator.Run(parameters, &evaluation.predicted);
  evaluation.accuracy = score.accuracy();
  evaluation.loss = score.mean_loss();
  const size_t classes = data->classes().size();
  evaluation.confusion.assign(classes, std::vector<int64_t>(classes));
  for (size_t i = 0; i < evaluation.predicted.size(); ++i) {
    const auto label = static_cast<size_t>(data->label(static_cast<int64_t>(i)));
    ++evaluation.confusion[label][static_cast<size_t>(evaluation.predicted[i])];
  }
  return evaluation;
}

}  // namespace normkit
