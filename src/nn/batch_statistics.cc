#include "normkit/nn/batch_statistics.h"

#include <algorithm>
#include <span>
#include <vector>

#include "normkit/norm/normalization.h"
#include "src/core/fail.h"
#include "src/nn/norm_sites.h"

namespace normkit {
namespace {

BatchMoments StatisticsOfNode(const Graph& graph, const Executor& executor, const Node& node) {
  if (!executor.can_go_back() || node.outputs.size() < 3) return {};
  const std::span<const double> mean = executor.value<double>(node.outputs[1]);
  const int64_t values = graph.layout(node.inputs[0]).size() * executor.part(node.inputs[0]).whole;
  return {values / static_cast<int64_t>(mean.size()), mean,
          executor.value<double>(node.outputs[2])};
}

}  // namespace

BatchMoments BatchStatistics(const Graph& graph, const Executor& executor, int layer) {
  const auto& nodes = graph.nodes();
  const auto norm = std::ranges::find_if(nodes, [&](const Node& node) {
    return layer >= 0 && node.layer == layer && ops::NormalizationOf(*node.op);
  });
  return norm == nodes.end() ? BatchMoments() : StatisticsOfNode(graph, executor, *norm);
}

namespace {

// Calls f(node, settings, moments) for each normalization whose statistics move.
template <class F>
void ForMoving(const Graph& graph, const Executor& executor, const F& f) {
  for (const Node& node : graph.nodes()) {
    const ops::NormalizationSettings* norm = ops::NormalizationOf(*node.op);
    if (!norm || !MovesStatistics(graph, node, *norm)) continue;
    const BatchMoments moments = StatisticsOfNode(graph, executor, node);
    if (moments.mean.empty())
      Fail("{}: its statistics were asked for without a training pass",
           graph.TitleOf(node.outputs[0]));
    f(node, *norm, moments);
  }
}

void Move(const Graph& graph, const Node& node, const ops::NormalizationSettings& norm,
          const BatchMoments& moments, Parameters& parameters) {
  const auto state = [&](size_t input) {
    return SiteArray(parameters, graph.value(node.inputs[norm.mean_input() + input]).parameter);
  };
  UpdateRunning<float>(moments.mean, moments.variance, moments.count, norm.mean_decay,
                       norm.variance_decay, RunningDivisor::kCount, state(0), state(1));
}

void MovePooled(const Graph& graph, const Executor& executor, Parameters& parameters,
                Reducer& apart) {
  std::vector<Moments> pooled;
  ForMoving(graph, executor, [&](const Node& node, const auto&, const BatchMoments& own) {
    // Of the rows of this rank, not of all of the mini-batch.
    const BatchPart& part = executor.part(node.inputs[0]);
    const auto count = static_cast<double>(own.count / part.whole * part.size());
    for (size_t c = 0; c < own.mean.size(); ++c)
      pooled.push_back({count, own.mean[c], own.variance[c] * count});
  });
  apart.Merge(pooled);
  std::vector<double> mean, variance;
  size_t first = 0;
  ForMoving(graph, executor, [&](const Node& node, const auto& norm, const BatchMoments& own) {
    const auto all = std::span(pooled).subspan(first, own.mean.size());
    first += all.size();
    mean.clear();
    variance.clear();
    for (const Moments& m : all) {
      mean.push_back(m.mean);
      variance.push_back(m.variance());
    }
    Move(graph, node, norm, {own.count, mean, variance}, parameters);
  });
}

}  // namespace

// In every iteration of a training: allocates nothing, but where ranks have statistics of their
// own.
void MoveStatistics(const Graph& graph, const Executor& executor, Parameters& parameters,
                    Reducer* apart) {
  if (apart) return MovePooled(graph, executor, parameters, *apart);
  ForMoving(graph, executor, [&](const Node& node, const auto& norm, const BatchMoments& moments) {
    Move(graph, node, norm, moments, parameters);
  });
}

}  // namespace normkit
