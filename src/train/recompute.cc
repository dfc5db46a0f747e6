// Statistics of finished networks: normkit/train/statistics.h.
#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "normkit/graph/executor.h"
#include "normkit/nn/batch_statistics.h"
#include "normkit/norm/normalization.h"
#include "src/core/fail.h"
#include "src/core/glob.h"
#include "src/train/batches.h"
#include "src/train/statistics.h"
#include "src/train/turns.h"

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

// What a mini-batch says of a normalization: how many values each statistic is of, the means and
// the variances.
class BatchSays {
 public:
  explicit BatchSays(std::span<double> at) : at_(at) {}
  static size_t Size(size_t channels) { return 1 + 2 * channels; }
  double& values() const { return at_[0]; }
  std::span<double> mean() const { return at_.subspan(1, at_.size() / 2); }
  std::span<double> variance() const { return at_.subspan(1 + at_.size() / 2); }

 private:
  std::span<double> at_;
};

// One epoch of mini-batches in the order of the data, in which nothing else is learned. Each is
// normalized with its own statistics, so that none waits for those before.
class MovingPass {
 public:
  MovingPass(const Network& network, std::vector<NormSite> sites, const DataSource& data,
             Parameters& parameters)
      : graph_(network.graph),
        sites_(std::move(sites)),
        data_(data),
        parameters_(parameters),
        executor_(graph_, ExecutorOptions{.training = true}) {
    std::erase_if(sites_, [&](const NormSite& site) {  // trains with its trained ones
      return graph_.node(site.node).outputs.size() < 3;
    });
    for (const NormSite& site : sites_)
      size_ += BatchSays::Size(SiteArray(parameters, site.mean).size());
  }

  void Run(const DataPass& pass) {
    const auto order = EpochOrder(data_.size(), Shuffle::kNever, 0, 1);
    const auto sizes = BatchSizes(data_.size(), pass.batch_size, Single::kJoin);
    const auto batches = Cut(order, sizes);
    ForTurns<double>(
        pass.reducer, batches.size(), size_,
        [&](size_t b, std::span<double> own) { Measure(batches[b], own); },
        [&](std::span<const double> all) {
          Move({all.begin(), all.end()});
        });
  }

 private:
  template <class F>
  void ForSites(std::span<double> all, const F& f) {
    for (const NormSite& site : sites_) {
      const size_t size = BatchSays::Size(SiteArray(parameters_, site.mean).size());
      f(site, BatchSays(all.first(size)));
      all = all.subspan(size);
    }
  }
  void Measure(std::span<const int64_t> indices, std::span<double> own) {
    reader_.ReadInputs(data_, indices, executor_);
    executor_.Forward(parameters_, {.training = true, .dropout = false});
    ForSites(own, [&](const NormSite& site, const BatchSays& says) {
      const Node& node = graph_.node(site.node);
      std::ranges::copy(executor_.value<double>(node.outputs[1]), says.mean().begin());
      std::ranges::copy(executor_.value<double>(node.outputs[2]), says.variance().begin());
      const int64_t values = graph_.layout(site.x).size() * executor_.part(site.x).whole;
      says.values() = static_cast<double>(values / static_cast<int64_t>(says.mean().size()));
    });
  }
  void Move(std::vector<double> all) {
    ForSites(all, [&](const NormSite& site, const BatchSays& says) {
      UpdateRunning<float>(says.mean(), says.variance(), static_cast<int64_t>(says.values()),
                           site.settings.mean_decay, site.settings.variance_decay,
                           RunningDivisor::kCount, SiteArray(parameters_, site.mean),
                           SiteArray(parameters_, site.variance));
    });
  }

  const Graph& graph_;
  std::vector<NormSite> sites_;
  const DataSource& data_;
  Parameters& parameters_;
  Executor executor_;
  BatchReader reader_;
  size_t size_ = 0;
};

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
    MovingPass(network, sites, data, parameters).Run({options.mini_batch_size, options.reducer});
  else
    FinishStatistics(network.graph, parameters, sites, data,
                     {options.mini_batch_size, options.reducer}, options.method, StatisticsBudget(),
                     options.weight);
  CheckFinite(sites, parameters, data);
  std::vector<StatisticsGap> gaps;
  for (const NormSite& site : sites)
    gaps.push_back(GapBetween(site, network.parameters, parameters));
  network.parameters = std::move(parameters);
  return gaps;
}

std::vector<StatisticsGap> MeasureStatistics(const Network& network, const DataSource& data,
                                             int64_t mini_batch_size, Reducer* reducer) {
  CheckTakes(network, data, mini_batch_size);
  const std::vector<NormSite> sites = TrainedSites(network.graph);
  if (sites.empty()) return {};
  Parameters parameters = network.parameters.Clone();
  return CompareWithFed(network.graph, parameters, sites, data, {mini_batch_size, reducer});
}

}  // namespace normkit
