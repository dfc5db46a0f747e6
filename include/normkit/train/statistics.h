// The statistics that batch normalizations of a finished network predict with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/reducer.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "normkit/train/options.h"

namespace normkit {

// How far statistics of a batch normalization are from others, in its worst channel: means in
// standard deviations, variances relative to the variance.
struct StatisticsGap {
  std::string layer;
  // The moving ones from those that prediction uses.
  double mean = 0, variance = 0;
  // Those that prediction uses from those of what it feeds, which Statistics::kAuto and
  // kPopulationExact take: 0, but for Statistics::kPopulation and kMoving.
  double fed_mean = 0, fed_variance = 0;
  // Those pooled while layers before normalize with mini-batch statistics (Statistics::kPopulation)
  // from those of what prediction feeds, after training.
  double population_mean = 0, population_variance = 0;
};

struct RecomputeOptions {
  // kMoving: the data go through the network once, normalized with the statistics of each
  // mini-batch, which move the trained ones by the decay of each normalization; those that train
  // with their trained ones keep these.
  Statistics method = Statistics::kAuto;
  // Of what the data say; the rest of the network's own: a network of other data is adapted, new =
  // (1 - weight) old + weight measured (Schneider et al. 2020). Not with kMoving.
  double weight = 1;
  int64_t mini_batch_size = 128;
  std::vector<std::string> layers = {"*"};  // by name or pattern: `*` for any letters, `?` for one
  Reducer* reducer = nullptr;  // whose ranks share the mini-batches; all get all of the result
};

// Replaces the trained statistics of batch normalizations, whoever trained the network and whether
// training would move them or not: of layers, and of what ImportOnnx or ModelFile read. Gives how
// far the old ones were from the new ones (StatisticsGap::mean and variance). Throws Error where
// the network has none, the data do not fit, or numbers overflow on the way to one.
NORMKIT_API std::vector<StatisticsGap> RecomputeStatistics(Network& network, const DataSource& data,
                                                           const RecomputeOptions& options = {});

// How far the trained statistics are from those of what prediction feeds (StatisticsGap::fed_mean
// and fed_variance), of each batch normalization that has some. Not finite where numbers overflow.
// Ranks with a reducer share the mini-batches.
NORMKIT_API std::vector<StatisticsGap> MeasureStatistics(const Network& network,
                                                         const DataSource& data,
                                                         int64_t mini_batch_size = 128,
                                                         Reducer* reducer = nullptr);

}  // namespace normkit
