#include "normkit/nn/batch_statistics.h"

#include "normkit/norm/normalization.h"
#include "src/core/fail.h"
#include "src/nn/layers/normalization.h"

namespace normkit {
namespace {

const NormalizationLayer* NormOf(const LayerRecord& record) {
  return dynamic_cast<const NormalizationLayer*>(record.layer.get());
}

}  // namespace

BatchMoments BatchStatistics(const Graph& graph, const Executor& executor, int layer) {
  if (layer < 0 || layer >= graph.num_layers() || !executor.can_go_back()) return {};
  const LayerRecord& record = graph.layer(layer);
  if (!NormOf(record) || record.outputs.size() < 3) return {};
  const std::span<const double> mean = executor.value<double>(record.outputs[1]);
  const int64_t values =
      graph.layout(record.inputs[0]).size() * executor.part(record.inputs[0]).whole;
  return {values / static_cast<int64_t>(mean.size()), mean,
          executor.value<double>(record.outputs[2])};
}

void MoveStatistics(const Graph& graph, const Executor& executor, Parameters& parameters) {
  for (int i = 0; i < graph.num_layers(); ++i) {
    const LayerRecord& record = graph.layer(i);
    const NormalizationLayer* norm = NormOf(record);
    if (!norm || !MovesStatistics(*norm)) continue;
    const BatchMoments moments = BatchStatistics(graph, executor, i);
    if (moments.mean.empty())
      Fail("{}: its statistics were asked for without a training pass", Title(*norm));
    const auto state = [&](size_t from_the_end) {  // behind scale and offset, if there are any
      const Value value = record.parameters[record.parameters.size() - from_the_end];
      const int parameter = graph.value(value).parameter;
      return parameters.Get(parameters.list()[static_cast<size_t>(parameter)]);
    };
    UpdateRunning<float>(moments.mean, moments.variance, moments.count, norm->options().mean_decay,
                         norm->options().variance_decay, RunningDivisor::kCount, state(2),
                         state(1));
  }
}

}  // namespace normkit
