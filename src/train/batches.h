// Which observations make which mini-batch, and reading them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/data/source.h"
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

// `order` cut into mini-batches of these sizes.
std::vector<std::span<const int64_t>> Cut(std::span<const int64_t> order,
                                          std::span<const int64_t> sizes);

// What the loss compares with: labels, or targets (regression, [B, target_size]).
struct Expected {
  std::vector<int64_t> labels;
  std::vector<float> targets;
};
// Throws Error that names the observation whose target is not finite or whose label has no class.
void ReadExpected(const DataSource& data, std::span<const int64_t> indices, Expected& expected);

}  // namespace normkit
