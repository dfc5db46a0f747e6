#include "src/train/statistics.h"

#include <algorithm>
#include <memory>

#include "normkit/nn/executor.h"
#include "normkit/nn/input_statistics.h"
#include "src/core/parallel.h"
#include "src/nn/layers/normalization.h"
#include "src/train/batches.h"

namespace normkit {
namespace {

constexpr int64_t kRows = 256;  // of a block: it stays in cache between the two passes

// Moments of `rows` rows of x.
void BlockMoments(const float* x, int64_t rows, std::span<Moments> moments) {
  const auto channels = static_cast<int64_t>(moments.size());
  const auto count = static_cast<double>(rows);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t c = 0; c < channels; ++c) moments[c].mean += double{x[row * channels + c]};
  for (Moments& m : moments) m = {count, m.mean / count, 0};
  // The second sum corrects for the rounding of the mean (Chan, Golub, LeVeque 1983, eq. 1.7).
  std::vector<double> residues(moments.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t c = 0; c < channels; ++c) {
      const double deviation = double{x[row * channels + c]} - moments[c].mean;
      moments[c].m2 += deviation * deviation;
      residues[c] += deviation;
    }
  for (int64_t c = 0; c < channels; ++c) {
    moments[c].mean += residues[c] / count;
    moments[c].m2 = std::max(0.0, moments[c].m2 - residues[c] * (residues[c] / count));
  }
}

void WriteStatistics(const Graph& graph, Parameters& parameters, int node,
                     const std::vector<Moments>& moments) {
  const std::string& name = graph.node(node).layer->name();
  const std::span<float> mean = parameters.Get(*parameters.Find(name + ".trained_mean"));
  const std::span<float> variance = parameters.Get(*parameters.Find(name + ".trained_variance"));
  for (size_t c = 0; c < moments.size(); ++c) {
    if (moments[c].n < 1) continue;
    mean[c] = static_cast<float>(moments[c].mean);
    if (moments[c].n >= 2) variance[c] = static_cast<float>(moments[c].variance());
  }
}

}  // namespace

void AddMoments(std::span<const float> x, std::span<Moments> moments) {
  const auto channels = static_cast<int64_t>(moments.size());
  const int64_t rows = static_cast<int64_t>(x.size()) / channels;
  const int64_t blocks = (rows + kRows - 1) / kRows;
  std::vector<Moments> partial(static_cast<size_t>(blocks * channels));
  ParallelFor(blocks, x.size() > size_t{1} << 14, [&](int64_t block) {
    const int64_t begin = block * kRows, end = std::min(begin + kRows, rows);
    BlockMoments(x.data() + begin * channels, end - begin,
                 std::span(partial).subspan(static_cast<size_t>(block * channels),
                                            static_cast<size_t>(channels)));
  });
  for (int64_t i = 0; i < blocks * channels; ++i)
    moments[static_cast<size_t>(i % channels)].Merge(partial[static_cast<size_t>(i)]);
}

std::vector<int> NodesWithStatistics(const Graph& graph) {
  std::vector<int> nodes;
  for (int node = 0; node < graph.size(); ++node) {
    const auto* norm = dynamic_cast<const NormalizationLayer*>(graph.node(node).layer.get());
    if (norm && norm->kind() == NormalizationLayer::Kind::kBatch &&
        !norm->options().freeze_statistics && !norm->options().use_trained_statistics)
      nodes.push_back(node);
  }
  return nodes;
}

std::vector<std::vector<Moments>> PoolMoments(const Graph& graph, Parameters& parameters,
                                              const std::vector<int>& nodes, const DataSource& data,
                                              int64_t batch_size, Upstream upstream) {
  const std::vector<Layout> layouts = graph.Layouts(1);
  std::vector<Value> inputs;
  std::vector<std::vector<Moments>> pooled;
  for (const int node : nodes) {
    inputs.push_back(graph.node(node).inputs.front());
    pooled.emplace_back(
        static_cast<size_t>(layouts[static_cast<size_t>(inputs.back())].channels()));
  }
  const RunMode mode{.training = upstream == Upstream::kBatch, .dropout = false};
  const std::vector<int64_t> order = EpochOrder(data.size(), Shuffle::kNever, 0, 1);
  const std::vector<int64_t> sizes = BatchSizes(data.size(), batch_size, Single::kJoin);
  std::unique_ptr<Executor> executor;
  for (const std::span<const int64_t> indices : Cut(order, sizes)) {
    const auto size = static_cast<int64_t>(indices.size());
    if (!executor || executor->batch_size() != size)
      executor = std::make_unique<Executor>(graph, size, mode.training, true);
    ReadBatch(data, indices, executor->input());
    executor->Forward(parameters, mode);
    for (size_t i = 0; i < nodes.size(); ++i) AddMoments(executor->value(inputs[i]), pooled[i]);
  }
  return pooled;
}

void FinishStatistics(const Graph& graph, Parameters& parameters, const DataSource& data,
                      int64_t batch_size, Statistics statistics) {
  const std::vector<int> nodes = NodesWithStatistics(graph);
  if (nodes.empty() || statistics == Statistics::kMoving) return;
  const auto finish = [&](const std::vector<int>& some, Upstream upstream) {
    const auto pooled = PoolMoments(graph, parameters, some, data, batch_size, upstream);
    for (size_t i = 0; i < some.size(); ++i) WriteStatistics(graph, parameters, some[i], pooled[i]);
  };
  if (statistics == Statistics::kPopulation) return finish(nodes, Upstream::kBatch);
  for (const int node : nodes) finish({node}, Upstream::kTrained);  // in topological order
}

void FillInputStatistics(const Graph& graph, Parameters& parameters, const DataSource& data) {
  InputStatistics statistics(graph);
  if (!statistics.needed()) return;
  constexpr int64_t kBatch = 256;
  const std::vector<int64_t> order = EpochOrder(data.size(), Shuffle::kNever, 0, 1);
  const std::vector<int64_t> sizes = BatchSizes(data.size(), kBatch, Single::kJoin);
  std::vector<float> x;
  for (const std::span<const int64_t> indices : Cut(order, sizes)) {
    x.resize(indices.size() * static_cast<size_t>(data.layout().size()));
    ReadBatch(data, indices, x);
    statistics.Add(x);
  }
  statistics.WriteTo(parameters);
}

}  // namespace normkit
