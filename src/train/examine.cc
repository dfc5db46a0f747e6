#include "src/train/examine.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "normkit/graph/executor.h"
#include "normkit/train/statistics.h"
#include "src/train/batches.h"
#include "src/train/objective.h"
#include "src/train/statistics.h"

namespace normkit {
namespace {

constexpr int64_t kLooked = 128, kAtOnce = 32;  // observations whose every value is looked at

// Labels, or predictions, of all answers.
std::vector<int64_t> LabelsOf(const DataSource& data) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < data.size(); ++i) {
    all.resize(all.size() + static_cast<size_t>(data.Answers(i)));
    data.ReadLabels(i, std::span(all).last(static_cast<size_t>(data.Answers(i))));
  }
  return all;
}

// Squared errors of the answers of a mini-batch.
void AddErrors(std::span<const float> y, const Batch& batch, std::vector<double>& errors) {
  const auto width = std::ssize(y) / std::max<int64_t>(1, batch.answers());
  for (int64_t i = 0; i < batch.answers(); ++i) {
    double error = 0;
    for (int64_t j = i * width; j < (i + 1) * width; ++j) {
      const double d = double{y[static_cast<size_t>(j)]} - batch.targets[static_cast<size_t>(j)];
      error += d * d / static_cast<double>(width);
    }
    errors.push_back(error);
  }
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

// Whether a ReLU stands directly behind a norm that gives y.
bool HasRelu(const Graph& graph, Value y) {
  return std::ranges::any_of(graph.nodes(), [&](const Node& node) {
    return node.op->name() == "relu" && node.inputs[0] == y;
  });
}

class Examination {
 public:
  Examination(const Network& network, const DataSource& data)
      : network_(network), data_(data), sites_(NormSites(network.graph)) {
    for (const NormSite& site : sites_) {
      NormHealth& health = layers_.emplace_back();
      health.layer = site.name;
      health.kind = site.settings.spec->name;
      health.has_statistics = site.has_trained();
      positive_.emplace_back(Channels(site));
    }
  }

  std::vector<NormHealth> Run(int64_t mini_batch_size) {
    for (size_t i = 0; i < sites_.size(); ++i) ReadScales(i);
    LookAtValues(mini_batch_size);
    MeasureMoments(mini_batch_size);
    return std::move(layers_);
  }

 private:
  size_t Channels(const NormSite& site) const {
    return static_cast<size_t>(network_.graph.layout(site.x).axes().back().size);
  }

  void ReadScales(size_t i) {
    constexpr float kDead = 1e-4f;
    const auto scale = SiteArray(network_.parameters, sites_[i].scale);
    const auto dead = std::ranges::count_if(scale, [](float x) { return std::abs(x) < kDead; });
    if (!scale.empty())
      layers_[i].dead = static_cast<double>(dead) / static_cast<double>(scale.size());
  }

  void LookAtValues(int64_t mini_batch_size) {
    const int64_t at_once = std::min(kAtOnce, mini_batch_size);
    const int64_t count = std::min(data_.size(), kLooked);
    Executor executor(network_.graph, ExecutorOptions{.keep_all = true});
    BatchReader reader;
    std::vector<int64_t> indices;
    for (int64_t begin = 0; begin < count; begin += at_once) {
      indices.clear();
      for (int64_t i = begin; i < std::min(begin + at_once, count); ++i)
        indices.push_back(i * data_.size() / count);
      reader.ReadInputs(data_, indices, executor);
      executor.Forward(network_.parameters, {});
      for (size_t i = 0; i < sites_.size(); ++i) LookAt(executor, i, indices.size());
    }
    for (size_t i = 0; i < sites_.size(); ++i) {
      const auto idle = std::ranges::count(positive_[i], char{0});
      if (HasRelu(network_.graph, sites_[i].y))
        layers_[i].idle = static_cast<double>(idle) / static_cast<double>(positive_[i].size());
    }
  }

  void LookAt(const Executor& executor, size_t i, size_t observations) {
    const std::span<const float> read = executor.value(sites_[i].x);
    for (const float x : read)
      layers_[i].largest = std::max(layers_[i].largest, std::abs(double{x}));
    const std::span<const float> y = executor.value(sites_[i].y);
    const size_t channels = positive_[i].size();
    for (size_t at = 0; at < y.size(); ++at)
      if (!(y[at] <= 0)) positive_[i][at % channels] = 1;
    const Layout& x = network_.graph.layout(sites_[i].x);
    const Dims reduced = sites_[i].settings.spec->reduce;
    layers_[i].values = sites_[i].has_trained()
                            ? static_cast<int64_t>(read.size() / channels / observations)
                            : x.SizeOf(reduced);
  }

  void MeasureMoments(int64_t mini_batch_size) {
    Parameters parameters = network_.parameters.Clone();
    const auto moments =
        PoolMoments(network_.graph, parameters, sites_, data_, mini_batch_size, Upstream::kTrained);
    for (size_t i = 0; i < sites_.size(); ++i) {
      const double epsilon = sites_[i].settings.options.epsilon;
      std::vector<double> deviations;
      double under = 0;
      for (const Moments& m : moments[i]) {
        deviations.push_back(std::sqrt(m.variance()));
        under += m.variance() < epsilon;
      }
      layers_[i].deviation = Median(deviations);
      layers_[i].under_epsilon = under / static_cast<double>(moments[i].size());
    }
    const auto gaps = MeasureStatistics(network_, data_, mini_batch_size);
    for (size_t i = 0, g = 0; i < sites_.size(); ++i) {
      if (!sites_[i].has_trained()) continue;
      layers_[i].mean_gap = gaps[g].fed_mean;
      layers_[i].variance_gap = gaps[g++].fed_variance;
    }
  }

  const Network& network_;
  const DataSource& data_;
  std::vector<NormSite> sites_;
  std::vector<NormHealth> layers_;
  std::vector<std::vector<char>> positive_;  // whether a channel ever was
};

}  // namespace

Network CopyOf(const Network& network) {
  return {network.graph, network.parameters.Clone(), network.classes, network.facts};
}

namespace {

void AddWrong(std::span<const int64_t> labels, std::span<const int64_t> predicted,
              std::vector<double>& loss) {
  for (size_t i = 0; i < labels.size() && i < predicted.size(); ++i)
    loss.push_back(predicted[i] == labels[i] ? 0 : 1);
}

// Of each observation the share of its positions.
void AddWrongShares(const DataSource& data, std::span<const int64_t> order,
                    std::span<const int64_t> predicted, std::vector<double>& loss) {
  std::vector<float> target(static_cast<size_t>(data.target_size()));
  size_t at = 0;
  for (const int64_t i : order) {
    if (at + target.size() > predicted.size()) return;
    data.ReadTarget(i, target);
    double wrong = 0;
    for (const float expected : target) wrong += predicted[at++] != std::llround(expected);
    loss.push_back(wrong / static_cast<double>(target.size()));
  }
}

}  // namespace

Answers Ask(const Network& network, const DataPtr& data, int64_t mini_batch_size,
            bool batch_statistics) {
  const Objective objective(network.graph, *data, {});
  Executor executor(network.graph, ExecutorOptions{.training = batch_statistics});
  BatchReader reader;
  Answers answers;
  Score score;
  std::vector<int64_t> predicted;
  const auto order = EpochOrder(data->size(), Shuffle::kOnce, 1, 1);  // classes are mixed
  const auto sizes = BatchSizes(data->size(), mini_batch_size, Single::kJoin);
  for (const auto indices : Cut(order, sizes)) {
    const Batch& batch = reader.Read(*data, indices, {.whole = std::ssize(indices)}, executor);
    const auto y =
        executor.Forward(network.parameters, {.training = batch_statistics, .dropout = false});
    score.Add(objective.Evaluate(executor, batch, nullptr, {}, &predicted));
    if (!objective.of_classes()) AddErrors(y, batch, answers.loss);
  }
  answers.metric = score.first_bad < 0 ? score.accuracy() : kOverflows;
  if (!objective.of_classes()) return answers;
  if (objective.of_pixels())
    AddWrongShares(*data, order, predicted, answers.loss);
  else
    AddWrong(LabelsOf(*Subset(data, order)), predicted, answers.loss);
  if (!predicted.empty()) answers.first = predicted.front();
  answers.kinds = std::ssize(std::set<int64_t>(predicted.begin(), predicted.end()));
  return answers;
}

bool IsBetter(const Answers& a, const Answers& b, bool classification) {
  constexpr double kPoint = 1, kShare = 0.95, kErrors = 4;
  if (!std::isfinite(a.metric)) return false;
  if (!std::isfinite(b.metric)) return true;
  if (classification ? a.metric < b.metric + kPoint : a.metric > kShare * b.metric) return false;
  if (a.loss.size() != b.loss.size()) return false;
  // Pair by pair: sum of the gains over the root of the sum of their squares.
  double sum = 0, squares = 0;
  for (size_t i = 0; i < a.loss.size(); ++i) {
    const double gain = b.loss[i] - a.loss[i];
    sum += gain;
    squares += gain * gain;
  }
  return sum > kErrors * std::sqrt(squares);
}

std::vector<NormHealth> Examine(const Network& network, const DataPtr& data,
                                int64_t mini_batch_size) {
  return Examination(network, *data).Run(mini_batch_size);
}

}  // namespace normkit
