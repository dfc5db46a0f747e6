// Statistics of finished networks: normkit/train/statistics.h.
#include <algorithm>
#include <cmath>

#include "normkit/graph/executor.h"
#include "normkit/nn/batch_statistics.h"
#include "normkit/norm/normalization.h"
#include "src/core/fail.h"
#include "src/core/glob.h"
#include "src/train/batches.h"
#include "src/train/statistics.h"

namespace normkit {
namespace {

void CheckTakes(const Network& network, const DataSource& data, int64_t mini_batch_size) {
  const Layout takes = network.graph.input_layout();
  if (network.graph.inputs().size() > 1)
    Fail("statistics: the network has {} inputs, expected 1", network.graph.inputs().size());
  if (data.size() == 0) Fail("statistics of '{}': has no observations", data.Description());
  if (data.layout() != takes)
    Fail("statistics of '{}': observations are {}, expected {} (what the network takes)",
         data.Description(), data.layout().ToString(), takes.ToString());
  if (mini_batch_size < 1)
    Fail("statistics: mini_batch_size is {}, expected 1 or more", mini_batch_size);
}

std::vector<NormSite> TrainedSites(const Graph& graph) {
  std::vector<NormSite> sites = NormSites(graph);
  std::erase_if(sites, [](const NormSite& site) { return !site.has_trained(); });
  return sites;
}

// One epoch of mini-batches in the order of the data, in which nothing else is learned.
void MoveOverData(const Network& network, const std::vector<NormSite>& sites,
                  const DataSource& data, int64_t batch_size, Parameters& parameters) {
  Executor executor(network.graph, ExecutorOptions{.training = true});
  BatchReader reader;
  const auto order = EpochOrder(data.size(), Shuffle::kNever, 0, 1);
  const auto sizes = BatchSizes(data.size(), batch_size, Single::kJoin);
  for (const auto indices : Cut(order, sizes)) {
    reader.ReadInputs(data, indices, executor);
    executor.Forward(parameters, {.training = true, .dropout = false});
    for (const NormSite& site : sites) {
      const Node& node = network.graph.node(site.node);
      if (node.outputs.size() < 3) continue;  // trains with its trained ones
      const auto mean = executor.value<double>(node.outputs[1]);
      const int64_t values = network.graph.layout(site.x).size() * executor.part(site.x).whole;
      UpdateRunning<float>(mean, executor.value<double>(node.outputs[2]),
                           values / static_cast<int64_t>(mean.size()), site.settings.mean_decay,
                           site.settings.variance_decay, RunningDivisor::kCount,
                           SiteArray(parameters, site.mean), SiteArray(parameters, site.variance));
    }
  }
}

// How far the statistics of `before` are from those of `after`.
StatisticsGap GapBetween(const NormSite& site, const Parameters& before, const Parameters& after) {
  StatisticsGap gap{.layer = site.name};
  const auto old_mean = SiteArray(before, site.mean),
             old_variance = SiteArray(before, site.variance);
  const auto mean = SiteArray(after, site.mean), variance = SiteArray(after, site.variance);
  for (size_t c = 0; c < mean.size(); ++c) {
    const double scale = variance[c] + site.settings.options.epsilon;
    gap.mean = std::max(gap.mean, std::abs(double{old_mean[c]} - mean[c]) / std::sqrt(scale));
    gap.variance = std::max(gap.variance, std::abs(double{old_variance[c]} - variance[c]) / scale);
  }
  return gap;
}

void CheckFinite(const std::vector<NormSite>& sites, const Parameters& parameters,
                 const DataSource& data) {
  for (const NormSite& site : sites)
    for (const int place : {site.mean, site.variance})
      for (const float x : SiteArray(parameters, place))
        if (!std::isfinite(x))
          Fail(
              "statistics of '{}': numbers overflow before '{}': its {} would not be "
              "finite",
              data.Description(), site.name, place == site.mean ? "mean" : "variance");
}

}  // namespace

std::vector<StatisticsGap> RecomputeStatistics(Network& network, const DataSource& data,
                                               const RecomputeOptions& options) {
  CheckTakes(network, data, options.mini_batch_size);
  if (!(options.weight > 0 && options.weight <= 1))
    Fail("statistics: weight is {}, expected more than 0 and at most 1", options.weight);
  std::vector<NormSite> sites = TrainedSites(network.graph);
  if (sites.empty())
    Fail(
        "statistics: the network has no batch normalization that predicts with statistics of "
        "training, expected one");
  Globs globs(options.layers, "layers");
  std::erase_if(sites, [&](const NormSite& site) { return !globs.Match({site.name}); });
  globs.CheckAllNamed();
  Parameters parameters = network.parameters.Clone();
  if (options.method == Statistics::kMoving)
    MoveOverData(network, sites, data, options.mini_batch_size, parameters);
  else
    FinishStatistics(network.graph, parameters, sites, data, options.mini_batch_size,
                     options.method, StatisticsBudget(), options.weight);
  CheckFinite(sites, parameters, data);
  std::vector<StatisticsGap> gaps;
  for (const NormSite& site : sites)
    gaps.push_back(GapBetween(site, network.parameters, parameters));
  network.parameters = std::move(parameters);
  return gaps;
}

std::vector<StatisticsGap> MeasureStatistics(const Network& network, const DataSource& data,
                                             int64_t mini_batch_size) {
  CheckTakes(network, data, mini_batch_size);
  const std::vector<NormSite> sites = TrainedSites(network.graph);
  if (sites.empty()) return {};
  Parameters parameters = network.parameters.Clone();
  return CompareWithFed(network.graph, parameters, sites, data, mini_batch_size);
}

}  // namespace normkit
