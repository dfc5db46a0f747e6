// The statistics that batch normalization predicts with, from a whole data set.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/core/moments.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "normkit/train/train.h"
#include "src/nn/norm_sites.h"
#include "src/train/turns.h"

namespace normkit {

// Merges the moments of x ([..., C], channels innermost) into `moments`, one of each channel. Two
// passes in f64 over blocks of a fixed number of rows, merged in order: the same bits for any
// number of threads, and no cancellation whatever the mean.
void AddMoments(std::span<const float> x, std::span<Moments> moments);

// How much of the activations of a whole data set may be kept between the passes over it.
double StatisticsBudget();  // bytes

// What layers before normalize with while statistics are gathered: those of each mini-batch, or the
// trained ones.
enum class Upstream { kBatch, kTrained };

// The moments of the input of each of `sites`, pooled over the mini-batches of all of `data`: those
// of each by itself, and then merged in their order, whichever rank had its turn.
// From the activations themselves, in f64: what a normalization saves of its mini-batch comes from
// sums that are partly f32.
std::vector<std::vector<Moments>> PoolMoments(const Graph& graph, Parameters& parameters,
                                              const std::vector<NormSite>& sites,
                                              const DataSource& data, const DataPass& pass,
                                              Upstream upstream);

// Replaces the trained statistics of `sites` by those that `statistics` asks for, and says how far
// from them the moving ones were, and (population, in one more pass) how far they are from those of
// what prediction feeds; moving: leaves them alone and says nothing. The variance divides by the
// number of values; of fewer than two it is left alone.
//
// auto and population-exact give the same bits: what prediction feeds each normalization. auto
// measures all those at once that do not depend on each other, and goes on from the activations of
// the pass before where they fit into `budget` bytes: for a network of any depth that is one walk
// through it. A mini-batch whose activations do not fit begins again from the last that did. Ranks
// share the budget as they share the mini-batches.
//
// weight: of what is measured; the rest is of the statistics that are there.
std::vector<StatisticsGap> FinishStatistics(const Graph& graph, Parameters& parameters,
                                            const std::vector<NormSite>& sites,
                                            const DataSource& data, const DataPass& pass,
                                            Statistics statistics,
                                            double budget = StatisticsBudget(), double weight = 1);

// The trained statistics of `sites` against those of what prediction feeds: fed_mean, fed_variance.
std::vector<StatisticsGap> CompareWithFed(const Graph& graph, Parameters& parameters,
                                          const std::vector<NormSite>& sites,
                                          const DataSource& data, const DataPass& pass);

// What FinishStatistics did not measure: of kMoving fed_mean and fed_variance, of all
// population_mean and population_variance, on some of the data (TrainingResult::statistics_gaps).
void AddSampledGaps(const Graph& graph, Parameters& parameters, const std::vector<NormSite>& sites,
                    const DataPtr& data, const DataPass& pass, Statistics statistics,
                    std::vector<StatisticsGap>& gaps);

// Fills in what the input layer has to know about the training data; false: it normalizes nothing.
bool FillInputStatistics(const Graph& graph, Parameters& parameters, const DataSource& data);

}  // namespace normkit
