#include "src/train/statistics.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "normkit/data/batch.h"
#include "normkit/nn/input_statistics.h"
#include "src/core/fail.h"
#include "src/core/memory_needs.h"
#include "src/core/parallel.h"
#include "src/graph/memory.h"
#include "src/train/batches.h"
#include "src/train/partial_network.h"

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

double StatisticsBudget() { return std::min(MachineMemory() / 8, FindFreeMemory().bytes / 4); }

namespace {

// Walks over the mini-batches of a data set, again and again from where it can.
class Walk {
 public:
  Walk(const Graph& graph, Parameters& parameters, const DataSource& data, const DataPass& pass,
       bool training, double budget)
      : graph_(graph),
        parameters_(parameters),
        data_(data),
        reducer_(pass.reducer),
        network_(graph, training),
        budget_(budget / (reducer_ ? reducer_->ranks() : 1)),
        order_(EpochOrder(data.size(), Shuffle::kNever, 0, 1)),
        sizes_(BatchSizes(data.size(), pass.batch_size, Single::kJoin)),
        stored_(sizes_.size()) {}

  // The moments of the inputs of `sites`; keeps the values `kept`, which later walks may begin
  // with.
  std::vector<std::vector<Moments>> Measure(const std::vector<NormSite>& sites,
                                            const std::set<Value>& kept) {
    std::vector<std::vector<Moments>> moments;
    size_t size = 0;
    for (const NormSite& site : sites) {
      moments.emplace_back(static_cast<size_t>(network_.LayoutOf(site.x).axes().back().size));
      size += moments.back().size();
    }
    const auto batches = Cut(order_, sizes_);
    const auto measure = [&](size_t b, std::span<Moments> own) {
      MeasureBatch(batches[b], sites, kept, b, own);
    };
    ForTurns<Moments>(reducer_, batches.size(), size, measure, [&](auto of_batch) {
      const Moments* from = of_batch.data();
      for (std::vector<Moments>& of_site : moments)
        for (Moments& into : of_site) into.Merge(*from++);
    });
    return moments;
  }

 private:
  double Bytes(const std::set<Value>& values) const {
    double floats = 0;
    for (const Value value : values)
      floats += static_cast<double>(network_.SizeOf(value, offsets_));
    return floats * sizeof(float);
  }

  void MeasureBatch(std::span<const int64_t> indices, const std::vector<NormSite>& sites,
                    const std::set<Value>& kept, size_t batch, std::span<Moments> moments) {
    ReadOffsets(data_, indices, offsets_);
    Values& values = stored_[batch];
    std::set<Value> remain;
    for (const auto& [value, tensor] : values) remain.insert(value);
    const double before = Bytes(remain), after = Bytes(kept);
    if (bytes_ - before + after <= budget_) {
      remain = kept;
      bytes_ += after - before;
    }
    if (values.empty()) {
      const Value input = graph_.inputs()[0];
      const auto floats = network_.SizeOf(input, offsets_);
      Tensor x = network_.Take(floats);
      ReadBatch(data_, indices, x.values<float>().first(static_cast<size_t>(floats)));
      values[input] = std::move(x);
    }
    std::set<Value> seen;
    for (const NormSite& site : sites) seen.insert(site.x);
    network_.Run(
        offsets_, parameters_, remain, seen,
        [&](Value input, const Tensor& array) {
          const auto floats = static_cast<size_t>(network_.SizeOf(input, offsets_));
          size_t at = 0;
          for (const NormSite& site : sites) {
            const auto channels = static_cast<size_t>(network_.LayoutOf(site.x).axes().back().size);
            const auto of_site = moments.subspan(std::exchange(at, at + channels), channels);
            if (site.x == input) AddMoments(array.values<float>().first(floats), of_site);
          }
        },
        values);
    network_.KeepOnly(remain, values);
  }

  const Graph& graph_;
  Parameters& parameters_;
  const DataSource& data_;
  Reducer* reducer_;
  PartialNetwork network_;
  double budget_, bytes_ = 0;  // of what is stored
  std::vector<int64_t> order_, sizes_, offsets_;
  std::vector<Values> stored_;  // of each mini-batch; empty: it begins with the observations
};

// Normalizations that are measured in one walk, and what is kept of it for those behind.
struct Level {
  std::vector<NormSite> sites;
  std::set<Value> kept;
};

// Into `kept` of each level the last values that need no statistics of a later level, of those that
// lead to what is measured later: each value from its own level up to that of its last reader.
// `levels` are those of the values.
void Keep(const Graph& graph, const std::vector<size_t>& levels, std::vector<Level>& result) {
  std::vector<char> needed(levels.size());
  for (const Level& level : result)
    for (const NormSite& site : level.sites) needed[static_cast<size_t>(site.x)] = 1;
  std::vector<size_t> last(levels.size());  // the level of each value's last needed reader
  for (size_t v = levels.size(); v-- > 0;) {
    const ValueInfo& info = graph.values()[v];
    if (!needed[v] || info.parameter >= 0 || info.kind == ValueKind::kConstant) continue;
    for (size_t level = levels[v]; level < last[v]; ++level)
      result[level].kept.insert(static_cast<Value>(v));
    if (info.node < 0) continue;
    for (const Value input : graph.node(info.node).inputs) {
      needed[static_cast<size_t>(input)] = 1;
      size_t& of_input = last[static_cast<size_t>(input)];
      of_input = std::max(of_input, levels[v]);
    }
  }
}

// `sites` by how many others of them stand before each, at most.
std::vector<Level> Levels(const Graph& graph, const std::vector<NormSite>& sites) {
  std::vector<size_t> levels(graph.values().size());  // whose statistics a value needs
  std::vector<Level> result;
  auto site = sites.begin();  // which stand in the order of their nodes
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    size_t level = 0;
    for (const Value input : node.inputs)
      level = std::max(level, levels[static_cast<size_t>(input)]);
    if (site != sites.end() && site->node == static_cast<int>(n)) {
      result.resize(std::max(result.size(), level + 1));
      result[level++].sites.push_back(*site++);
    }
    for (const Value output : node.outputs) levels[static_cast<size_t>(output)] = level;
  }
  Keep(graph, levels, result);
  return result;
}

// How far a mean and a variance are from `m`, if that is more.
void CompareStatistic(double own_mean, double own_variance, const Moments& m, double epsilon,
                      double& mean, double& variance) {
  const double scale = m.variance() + epsilon;
  if (m.n >= 1) mean = std::max(mean, std::abs(own_mean - m.mean) / std::sqrt(scale));
  if (m.n >= 2) variance = std::max(variance, std::abs(own_variance - m.variance()) / scale);
}

void CompareMoments(const std::vector<Moments>& own, const std::vector<Moments>& others,
                    double epsilon, double& mean, double& variance) {
  for (size_t c = 0; c < own.size(); ++c)
    CompareStatistic(own[c].mean, own[c].variance(), others[c], epsilon, mean, variance);
}

// The trained statistics of a batch normalization, and what they are compared with.
class Trained {
 public:
  Trained(Parameters& parameters, const NormSite& site)
      : mean_(SiteArray(parameters, site.mean)),
        variance_(SiteArray(parameters, site.variance)),
        epsilon_(site.settings.options.epsilon) {}

  // The differences from `moments` of the worst channel.
  void Compare(const std::vector<Moments>& moments, double& mean, double& variance) const {
    for (size_t c = 0; c < moments.size(); ++c)
      CompareStatistic(mean_[c], variance_[c], moments[c], epsilon_, mean, variance);
  }

  void Replace(const std::vector<Moments>& moments, double weight) const {
    const auto mixed = [&](float old, double measured) {
      return static_cast<float>(weight == 1 ? measured : (1 - weight) * old + weight * measured);
    };
    for (size_t c = 0; c < moments.size(); ++c) {
      if (moments[c].n >= 1) mean_[c] = mixed(mean_[c], moments[c].mean);
      if (moments[c].n >= 2) variance_[c] = mixed(variance_[c], moments[c].variance());
    }
  }

 private:
  std::span<float> mean_, variance_;
  double epsilon_;
};

// "8.1 % in variance ('norm2') and 0.10 standard deviations in mean ('norm1')": the worst layers.
std::string DescribeWorst(const std::vector<StatisticsGap>& gaps, double StatisticsGap::*variance,
                          double StatisticsGap::*mean) {
  const StatisticsGap &a = *std::ranges::max_element(gaps, {}, variance),
                      &b = *std::ranges::max_element(gaps, {}, mean);
  return fmt::format("{:.1f} % in variance ('{}') and {:.2f} standard deviations in mean ('{}')",
                     100 * a.*variance, a.layer, b.*mean, b.layer);
}

}  // namespace

std::vector<std::vector<Moments>> PoolMoments(const Graph& graph, Parameters& parameters,
                                              const std::vector<NormSite>& sites,
                                              const DataSource& data, const DataPass& pass,
                                              Upstream upstream) {
  Walk walk(graph, parameters, data, pass, upstream == Upstream::kBatch, 0);
  return walk.Measure(sites, {});
}

std::vector<StatisticsGap> FinishStatistics(const Graph& graph, Parameters& parameters,
                                            const std::vector<NormSite>& sites,
                                            const DataSource& data, const DataPass& pass,
                                            Statistics statistics, double budget, double weight) {
  if (sites.empty() || statistics == Statistics::kMoving) return {};
  std::vector<Level> levels;
  if (statistics == Statistics::kPopulation) levels.push_back({sites, {}});
  if (statistics == Statistics::kPopulationExact)  // in topological order
    for (const NormSite& site : sites) levels.push_back({{site}, {}});
  if (statistics == Statistics::kAuto) levels = Levels(graph, sites);
  Walk walk(graph, parameters, data, pass, statistics == Statistics::kPopulation, budget);
  std::vector<StatisticsGap> gaps;
  for (const Level& level : levels) {
    const auto moments = walk.Measure(level.sites, level.kept);
    for (size_t i = 0; i < level.sites.size(); ++i) {
      const Trained trained(parameters, level.sites[i]);
      StatisticsGap& gap = gaps.emplace_back(StatisticsGap{.layer = level.sites[i].name});
      trained.Compare(moments[i], gap.mean, gap.variance);
      trained.Replace(moments[i], weight);
    }
  }
  if (statistics != Statistics::kPopulation) return gaps;
  const auto fed = CompareWithFed(graph, parameters, sites, data, pass);
  for (size_t i = 0; i < gaps.size(); ++i) {
    gaps[i].fed_mean = fed[i].fed_mean;
    gaps[i].fed_variance = fed[i].fed_variance;
  }
  return gaps;
}

std::vector<StatisticsGap> CompareWithFed(const Graph& graph, Parameters& parameters,
                                          const std::vector<NormSite>& sites,
                                          const DataSource& data, const DataPass& pass) {
  const auto fed = PoolMoments(graph, parameters, sites, data, pass, Upstream::kTrained);
  std::vector<StatisticsGap> gaps;
  for (size_t i = 0; i < sites.size(); ++i) {
    StatisticsGap& gap = gaps.emplace_back(StatisticsGap{.layer = sites[i].name});
    Trained(parameters, sites[i]).Compare(fed[i], gap.fed_mean, gap.fed_variance);
  }
  return gaps;
}

void AddSampledGaps(const Graph& graph, Parameters& parameters, const std::vector<NormSite>& sites,
                    const DataPtr& data, const DataPass& pass, Statistics statistics,
                    std::vector<StatisticsGap>& gaps) {
  constexpr int64_t kMost = 2000;
  if (sites.empty()) return;
  if (statistics == Statistics::kPopulation) {  // which are those used
    for (StatisticsGap& gap : gaps) {
      gap.population_mean = gap.fed_mean;
      gap.population_variance = gap.fed_variance;
    }
    return;
  }
  const DataPtr some = EvenSample(data, kMost);
  const auto pool = [&](Upstream upstream) {
    return PoolMoments(graph, parameters, sites, *some, pass, upstream);
  };
  const auto fed = pool(Upstream::kTrained);
  const auto population = pool(Upstream::kBatch);
  for (size_t i = 0; i < sites.size(); ++i) {
    if (statistics == Statistics::kMoving) {
      StatisticsGap& gap = gaps.emplace_back(StatisticsGap{.layer = sites[i].name});
      Trained(parameters, sites[i]).Compare(fed[i], gap.fed_mean, gap.fed_variance);
    }
    const auto gap = std::ranges::find(gaps, sites[i].name, &StatisticsGap::layer);
    if (gap == gaps.end()) continue;
    CompareMoments(population[i], fed[i], sites[i].settings.options.epsilon, gap->population_mean,
                   gap->population_variance);
  }
}

std::string DescribeStatistics(Statistics statistics, const std::vector<StatisticsGap>& gaps) {
  if (gaps.empty()) return "";
  if (statistics == Statistics::kMoving)
    return "moving: the moving estimates of training, up to " +
           DescribeWorst(gaps, &StatisticsGap::fed_variance, &StatisticsGap::fed_mean) +
           " from those of what prediction feeds";
  const std::string what =
      statistics == Statistics::kPopulation
          ? "pooled over the training data, layers before normalizing with mini-batch statistics, "
            "up to " +
                DescribeWorst(gaps, &StatisticsGap::fed_variance, &StatisticsGap::fed_mean) +
                " from those of what prediction feeds"
          : "those of what prediction feeds each batch normalization";
  return fmt::format("{}: {}; the moving estimates differ by up to {}", Name(statistics), what,
                     DescribeWorst(gaps, &StatisticsGap::variance, &StatisticsGap::mean));
}

std::string DescribeStatistics(Statistics statistics, const TrainingResult& result) {
  return DescribeStatistics(statistics, result.statistics_gaps);
}

bool FillInputStatistics(const Graph& graph, Parameters& parameters, const DataSource& data) {
  InputStatistics statistics(graph);
  if (!statistics.needed()) return false;
  constexpr int64_t kBatch = 256, kFloats = 1 << 26;  // large observations a few at a time
  int64_t longest = 1;
  for (int64_t i = 0; i < data.size(); ++i) longest = std::max(longest, data.length(i));
  const int64_t batch = std::clamp<int64_t>(kFloats / longest / data.layout().size(), 1, kBatch);
  const std::vector<int64_t> order = EpochOrder(data.size(), Shuffle::kNever, 0, 1);
  const std::vector<int64_t> sizes = BatchSizes(data.size(), batch, Single::kJoin);
  std::vector<float> x;
  std::vector<int64_t> offsets;
  for (const std::span<const int64_t> indices : Cut(order, sizes)) {
    ReadOffsets(data, indices, offsets);
    x.resize(static_cast<size_t>(offsets.back() * data.layout().size()));
    ReadBatch(data, indices, x);
    statistics.Add(x);
  }
  statistics.WriteTo(parameters);
  return true;
}

}  // namespace normkit
