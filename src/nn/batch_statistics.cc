#include "normkit/nn/batch_statistics.h"

#include <algorithm>

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

// In every iteration of a training: allocates nothing.
void MoveStatistics(const Graph& graph, const Executor& executor, Parameters& parameters) {
  for (const Node& node : graph.nodes()) {
    const ops::NormalizationSettings* norm = ops::NormalizationOf(*node.op);
    if (!norm || !MovesStatistics(graph, node, *norm)) continue;
    const BatchMoments moments = StatisticsOfNode(graph, executor, node);
    if (moments.mean.empty())
      Fail("{}: its statistics were asked for without a training pass",
           graph.TitleOf(node.outputs[0]));
    const auto state = [&](size_t input) {
      return SiteArray(parameters, graph.value(node.inputs[norm->mean_input() + input]).parameter);
    };
    UpdateRunning<float>(moments.mean, moments.variance, moments.count, norm->mean_decay,
                         norm->variance_decay, RunningDivisor::kCount, state(0), state(1));
  }
}

}  // namespace normkit
