#include "src/train/batches.h"

#include <algorithm>
#include <numeric>

#include "normkit/core/random.h"
#include "normkit/train/train.h"

namespace normkit {

std::vector<int64_t> EpochOrder(int64_t count, Shuffle shuffle, uint64_t seed, int64_t epoch) {
  // Apart from the streams that initialize parameters, which are small numbers.
  constexpr uint64_t kShuffleStreams = uint64_t{1} << 40;
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  if (shuffle == Shuffle::kNever) return order;
  const auto turn = static_cast<uint64_t>(shuffle == Shuffle::kOnce ? 1 : epoch);
  Random(seed, kShuffleStreams + turn).Shuffle(order);
  return order;
}

std::vector<int64_t> BatchSizes(int64_t count, int64_t batch_size, Single single) {
  std::vector<int64_t> sizes;
  for (int64_t begin = 0; begin < count; begin += batch_size)
    sizes.push_back(std::min(batch_size, count - begin));
  if (sizes.size() > 1 && sizes.back() == 1 && batch_size > 1) {
    sizes.pop_back();
    if (single == Single::kJoin) ++sizes.back();
  }
  return sizes;
}

int64_t IterationsPerEpoch(int64_t observations, int64_t mini_batch_size) {
  return static_cast<int64_t>(BatchSizes(observations, mini_batch_size, Single::kDrop).size());
}

int64_t ObservationsAStep(const TrainingOptions& options, int64_t observations) {
  return options.solver == Solver::kLbfgs ? std::max<int64_t>(observations, 1)
                                          : options.mini_batch_size;
}

int64_t IterationsPerEpoch(const TrainingOptions& options, int64_t observations) {
  return IterationsPerEpoch(observations, ObservationsAStep(options, observations));
}

int64_t TotalIterations(const TrainingOptions& options, int64_t observations) {
  if (options.solver == Solver::kLbfgs) return options.max_iterations;
  return options.max_epochs * IterationsPerEpoch(options, observations);
}

DataPtr EvenSample(const DataPtr& data, int64_t most) {
  if (data->size() <= most) return data;
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < most; ++i) indices.push_back(i * data->size() / most);
  return Subset(data, std::move(indices));
}

std::vector<std::span<const int64_t>> Cut(std::span<const int64_t> order,
                                          std::span<const int64_t> sizes) {
  std::vector<std::span<const int64_t>> batches;
  size_t begin = 0;
  for (const int64_t size : sizes) {
    batches.push_back(order.subspan(begin, static_cast<size_t>(size)));
    begin += static_cast<size_t>(size);
  }
  return batches;
}

void BatchReader::SetBatch(const DataSource& data, std::span<const int64_t> indices,
                           const BatchPart& part, Executor& executor) {
  if (data.layout().packed())
    ReadOffsets(data, indices, offsets_);
  else
    offsets_.clear();
  executor.SetBatch(part, offsets_);
}

void BatchReader::ReadInputs(const DataSource& data, std::span<const int64_t> indices,
                             Executor& executor) {
  SetBatch(data, indices, {.whole = std::ssize(indices)}, executor);
  ReadBatch(data, indices, executor.input());
}

const Batch& BatchReader::Read(const DataSource& data, std::span<const int64_t> indices,
                               const BatchPart& part, Executor& executor) {
  SetBatch(data, indices, part, executor);
  const auto own =
      indices.subspan(static_cast<size_t>(part.begin()), static_cast<size_t>(part.size()));
  if (own.empty()) std::ranges::fill(executor.input(), 0.f);
  ReadBatch(data, own, own.empty() ? std::span<float>() : executor.input(), batch_);
  return batch_;
}

}  // namespace normkit
