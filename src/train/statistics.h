// The statistics that batch normalization predicts with, from a whole data set.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/core/moments.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "normkit/train/options.h"

namespace normkit {

// Merges the moments of x ([..., C], channels innermost) into `moments`, one of each channel. Two
// passes in f64 over blocks of a fixed number of rows, merged in order: the same bits for any
// number of threads, and no cancellation whatever the mean.
void AddMoments(std::span<const float> x, std::span<Moments> moments);

// The layers whose trained statistics training fills in: batch normalizations that do not freeze
// them and do not train with them.
std::vector<int> NodesWithStatistics(const Graph& graph);

// What layers before normalize with while statistics are gathered: those of each mini-batch, or the
// trained ones.
enum class Upstream { kBatch, kTrained };

// The moments of the input of each of `nodes`, pooled over the mini-batches of all of `data`.
// From the activations themselves, in f64: what a normalization saves of its mini-batch comes from
// sums that are partly f32.
std::vector<std::vector<Moments>> PoolMoments(const Graph& graph, Parameters& parameters,
                                              const std::vector<int>& nodes, const DataSource& data,
                                              int64_t batch_size, Upstream upstream);

// Replaces the trained statistics by those that `statistics` asks for; moving: leaves them alone.
// The variance divides by the number of values; of fewer than two it is left alone.
void FinishStatistics(const Graph& graph, Parameters& parameters, const DataSource& data,
                      int64_t batch_size, Statistics statistics);

// Fills in what the input layer has to know about the training data.
void FillInputStatistics(const Graph& graph, Parameters& parameters, const DataSource& data);

}  // namespace normkit
