// Which observations make which mini-batch, and reading them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/data/batch.h"
#include "normkit/graph/executor.h"
#include "normkit/train/options.h"

namespace normkit {

// The order in which `epoch` (from 1) visits `count` observations: 0, 1, ..., or shuffled by
// (seed, epoch), by (seed, 1) for once. Any epoch's order can be had without those before it.
std::vector<int64_t> EpochOrder(int64_t count, Shuffle shuffle, uint64_t seed, int64_t epoch);

// What happens to a last mini-batch of one observation, of which batch normalization could not
// learn: left out (training), or joined to the one before (statistics, where each one counts).
enum class Single { kDrop, kJoin };

// The sizes of an epoch's mini-batches. The last is smaller where batch_size does not divide count.
std::vector<int64_t> BatchSizes(int64_t count, int64_t batch_size, Single single);

// Observations of a step, of so many: mini_batch_size, of lbfgs all.
int64_t ObservationsAStep(const TrainingOptions& options, int64_t observations);

// Steps of an epoch, and of a training at most. An epoch of lbfgs is a step.
int64_t IterationsPerEpoch(const TrainingOptions& options, int64_t observations);
int64_t TotalIterations(const TrainingOptions& options, int64_t observations);

// At most `most` observations, evenly spread.
DataPtr EvenSample(const DataPtr& data, int64_t most);

// `order` cut into mini-batches of these sizes.
std::vector<std::span<const int64_t>> Cut(std::span<const int64_t> order,
                                          std::span<const int64_t> sizes);

// Reads mini-batches for an executor, into memory that it keeps.
class BatchReader {
 public:
  // Makes the executor ready for a part of the mini-batch `indices`, and reads the observations of
  // the part, into its input: zeros where the part has none. Valid until the next call.
  const Batch& Read(const DataSource& data, std::span<const int64_t> indices, const BatchPart& part,
                    Executor& executor);
  // All of a mini-batch without what is to be told of it.
  void ReadInputs(const DataSource& data, std::span<const int64_t> indices, Executor& executor);

 private:
  void SetBatch(const DataSource& data, std::span<const int64_t> indices, const BatchPart& part,
                Executor& executor);

  std::vector<int64_t> offsets_;  // of all of the mini-batch, where time is packed
  Batch batch_;
};

}  // namespace normkit
