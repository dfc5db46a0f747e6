// Training cut into ranks, which are threads of this process, ends with the same bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "normkit/core/transfers.h"
#include "normkit/nn/networks.h"
#include "src/core/testing.h"
#include "src/train/objective.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

// All kinds of kernels that add up over observations: convolutions of two ways, a matrix product,
// a norm of each kind, dropout; and an addition that runs with its norm.
Graph RankGraph(const std::function<LayerPtr()>& norm) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 16, .padding = Padding::Same()}));
  graph.Add(norm());
  const Value first = graph.Add(Relu());
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 16, .padding = Padding::Same()}));
  const Value second = graph.Add(norm());
  graph.Add(Addition(), {second, first});
  graph.Add(Relu());
  graph.Add(AveragePooling2d({.pool_size = {3, 3}, .stride = {2, 2}}));
  graph.Add(Dropout({.probability = 0.3}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 24}));
  graph.Add(Elementwise("tanh"));
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

TrainingOptions RankOptions() {
  return {.max_epochs = 2,
          .mini_batch_size = 32,
          .initial_learn_rate = 0.05,
          .momentum = 0.9,
          .l2_regularization = 1e-3,
          .gradient_threshold = 0.5,
          .gradient_threshold_method = GradientThresholdMethod::kGlobalL2Norm,
          .shuffle = Shuffle::kEveryEpoch,
          .validation_data = StripeData(30, 2),
          .validation_frequency = 3};
}

// Parameters and losses, of every rank the same.
struct Trained {
  std::vector<float> values;
  std::vector<double> losses;
  bool operator==(const Trained&) const = default;
};

Trained Train(int ranks, int64_t observations, const Graph& graph, TrainingOptions options) {
  std::vector<Trained> of_rank(static_cast<size_t>(ranks));
  RunRanks(ranks, [&](Reducer& reducer) {
    TrainingOptions own = options;
    own.reducer = &reducer;
    const TrainingResult result = TrainNetwork(StripeData(observations), graph, own);
    Trained& trained = of_rank[static_cast<size_t>(reducer.rank())];
    trained.values = ValuesOf(result.network);
    for (const ProgressRow& row : result.history) {
      trained.losses.push_back(row.batch_loss);
      trained.losses.push_back(row.validation_loss);
    }
  });
  for (const Trained& other : of_rank) EXPECT_TRUE(other == of_rank[0]) << ranks << " ranks differ";
  return of_rank[0];
}

Trained TrainAlone(int64_t observations, const Graph& graph, const TrainingOptions& options) {
  const TrainingResult result = TrainNetwork(StripeData(observations), graph, options);
  Trained trained{ValuesOf(result.network), {}};
  for (const ProgressRow& row : result.history) {
    trained.losses.push_back(row.batch_loss);
    trained.losses.push_back(row.validation_loss);
  }
  return trained;
}

struct Norm {
  const char* name;
  std::function<LayerPtr()> make;
};

class Ranks : public testing::TestWithParam<Norm> {};

// 70 observations in mini-batches of 32: the last has 6, fewer than ranks.
TEST_P(Ranks, SameBytes) {
  const Graph graph = RankGraph(GetParam().make);
  const Trained alone = TrainAlone(70, graph, RankOptions());
  for (const int ranks : {1, 2, 3, 4, 8})
    EXPECT_TRUE(Train(ranks, 70, graph, RankOptions()) == alone) << ranks << " ranks";
}

TEST_P(Ranks, SameBytesOfTinyMiniBatches) {
  TrainingOptions options = RankOptions();
  options.mini_batch_size = 3;
  options.solver = Solver::kAdam;
  options.gradient_threshold_method = GradientThresholdMethod::kL2Norm;
  const Graph graph = RankGraph(GetParam().make);
  const Trained alone = TrainAlone(17, graph, options);
  for (const int ranks : {2, 8, 20})
    EXPECT_TRUE(Train(ranks, 17, graph, options) == alone) << ranks << " ranks";
}

INSTANTIATE_TEST_SUITE_P(
    All, Ranks,
    testing::Values(Norm{"batch", [] { return BatchNormalization(); }},
                    Norm{"renorm",
                         [] {
                           return BatchNormalization(
                               {.renormalize = true, .renormalization_warm_up = 5});
                         }},
                    Norm{"layer", [] { return LayerNormalization(); }},
                    Norm{"group", [] { return GroupNormalization({.num_groups = 4}); }},
                    Norm{"instance", [] { return InstanceNormalization(); }},
                    Norm{"rms", [] { return RmsNormalization(); }},
                    Norm{"group_rms", [] { return GroupRmsNormalization({.num_groups = 4}); }},
                    Norm{"trained",
                         [] {
                           return BatchNormalization({.trained_mean = std::vector<float>(16, .1f),
                                                      .trained_variance = std::vector<float>(16, 2),
                                                      .use_trained_statistics = true});
                         }}),
    [](const auto& test) { return test.param.name; });

TEST(RanksOfOneRun, OfTheWholeData) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 4}));
  graph.Add(BatchNormalization());
  graph.Add(Relu());
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  const TrainingOptions options{.solver = Solver::kLbfgs,
                                .max_iterations = 8,
                                .initial_step_size = 0.1,
                                .validation_data = StripeData(30, 2),
                                .validation_frequency = 3};
  const Trained alone = TrainAlone(70, graph, options);
  for (const int ranks : {1, 2, 4, 20})
    EXPECT_TRUE(Train(ranks, 70, graph, options) == alone) << ranks << " ranks";
}

// Each rank by itself: the bytes are of so many ranks, the same on each.
void ExpectStatisticsOfTheirOwn(const Graph& graph) {
  TrainingOptions options = RankOptions();
  const Trained together = TrainAlone(70, graph, options);
  options.batch_norm_sync = BatchNormSync::kOff;
  EXPECT_TRUE(Train(1, 70, graph, options) == together);
  EXPECT_FALSE(Train(2, 70, graph, options) == together);
  EXPECT_FALSE(Train(4, 70, graph, options) == together);  // one of them has none of the last six
}

TEST(RanksOfOneRun, WithStatisticsOfTheirOwn) {
  ExpectStatisticsOfTheirOwn(RankGraph([] { return BatchNormalization(); }));
  ExpectStatisticsOfTheirOwn(RankGraph(
      [] { return BatchNormalization({.renormalize = true, .renormalization_warm_up = 5}); }));
}

// Halves of a mini-batch that are the same have the statistics of the whole.
TEST(RanksOfOneRun, StatisticsOfTheirOwnWhereAllAreTheSame) {
  const DataPtr data = StripeData(8);
  std::vector<float> x, one(static_cast<size_t>(data->layout().size()));
  std::vector<int64_t> labels;
  for (const int64_t i : {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7}) {
    data->Read(i, one);
    x.insert(x.end(), one.begin(), one.end());
    labels.push_back(data->label(i));
  }
  const DataPtr twice = FromArrays(data->layout(), x, labels, data->classes(), "twice");
  const Graph graph = StripeGraph();
  TrainingOptions options{.max_epochs = 3,
                          .mini_batch_size = 16,
                          .initial_learn_rate = 0.01,
                          .shuffle = Shuffle::kNever,
                          .batch_normalization_statistics = Statistics::kMoving};
  std::vector<float> values[2];
  for (const bool apart : {false, true}) {
    options.batch_norm_sync = apart ? BatchNormSync::kOff : BatchNormSync::kOn;
    RunRanks(2, [&](Reducer& reducer) {
      TrainingOptions own = options;
      own.reducer = &reducer;
      const TrainingResult result = TrainNetwork(twice, graph, own);
      if (reducer.rank() == 0) values[apart] = ValuesOf(result.network);
    });
  }
  float largest = 0;
  for (const float v : values[0]) largest = std::max(largest, std::abs(v));
  // Three steps whose gradients differ in the order of f32 sums.
  for (size_t i = 0; i < values[0].size(); ++i)
    EXPECT_NEAR(values[0][i], values[1][i], 1e-5 * largest) << i;
}

// Passes on, and adds up what this rank gives.
class CountingReducer : public TransferReducer {
 public:
  explicit CountingReducer(Reducer& reducer) : reducer_(dynamic_cast<TransferReducer&>(reducer)) {}
  int ranks() const override { return reducer_.ranks(); }
  int rank() const override { return reducer_.rank(); }
  void Merge(std::span<Moments> moments) override {
    bytes += moments.size_bytes();
    reducer_.Merge(moments);
  }
  void Sum(std::span<double> values) override {
    bytes += values.size_bytes();
    reducer_.Sum(values);
  }
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    bytes += own.size();
    reducer_.Gather(own, all);
  }
  std::unique_ptr<Transfer> StartScatter(std::span<const std::byte> own, size_t piece,
                                         std::span<std::byte> all) override {
    bytes += piece;
    return reducer_.StartScatter(own, piece, all);
  }
  std::unique_ptr<Transfer> StartGather(std::span<const std::byte> own,
                                        std::span<std::byte> all) override {
    bytes += own.size();
    return reducer_.StartGather(own, all);
  }
  size_t bytes = 0;

 private:
  TransferReducer& reducer_;
};

// docs/distributed.md: what a rank gives in a step, of two ranks, each of which has one node.
TEST(RanksOfOneRun, SendWhatIsDocumented) {
  constexpr size_t kFilters = 8, kFeatures = 4 * 4 * kFilters, kClasses = 3;
  // Half of an array, up to a multiple of 8 bytes, goes to the other rank, and a half of its sums.
  constexpr auto half = [](size_t values) { return (values + 1) / 2 * 4; };
  constexpr auto array = [half](size_t values) {
    return (half(values) + 7) / 8 * 8 + half(values);
  };
  constexpr size_t kWeights = array(9 * kFilters) + array(kFilters) + array(kFeatures * kClasses) +
                              array(kClasses),
                   kNorm = kFilters * (24 + 32), kScore = sizeof(Score), kStop = 8;
  size_t bytes[2] = {};
  for (const int64_t epochs : {1, 2})
    RunRanks(2, [&](Reducer& reducer) {
      CountingReducer counting(reducer);
      const TrainingOptions options{.max_epochs = epochs,
                                    .mini_batch_size = 32,
                                    .batch_normalization_statistics = Statistics::kMoving,
                                    .reducer = &counting};
      TrainNetwork(StripeData(64), StripeGraph(), options);
      if (reducer.rank() == 0) bytes[epochs - 1] = counting.bytes;
    });
  EXPECT_EQ(bytes[1] - bytes[0], 2 * (kWeights + kNorm + kScore + kStop));
}

// Any reducer will do: without transfers gradients are joined by Gather.
class PlainReducer : public Reducer {
 public:
  explicit PlainReducer(Reducer& reducer) : reducer_(reducer) {}
  int ranks() const override { return reducer_.ranks(); }
  int rank() const override { return reducer_.rank(); }
  void Merge(std::span<Moments> moments) override { reducer_.Merge(moments); }
  void Sum(std::span<double> values) override { reducer_.Sum(values); }
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    reducer_.Gather(own, all);
  }

 private:
  Reducer& reducer_;
};

TEST(RanksOfOneRun, NeedNoTransfers) {
  const Graph graph = RankGraph([] { return GroupNormalization({.num_groups = 4}); });
  const Trained alone = TrainAlone(70, graph, RankOptions());
  RunRanks(3, [&](Reducer& reducer) {
    PlainReducer plain(reducer);
    TrainingOptions own = RankOptions();
    own.reducer = &plain;
    EXPECT_EQ(ValuesOf(TrainNetwork(StripeData(70), graph, own).network), alone.values);
  });
}

// The gradient of what two layers share is added up at once: one sum is added to the other.
TEST(RanksOfOneRun, ShareTiedParameters) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 12}));
  graph.Add(FullyConnected({.name = "a", .output_size = 12}));
  graph.Add(LayerNormalization({.name = "norm"}));
  const Value x = graph.Add(Tanh());
  graph.AddTied(FullyConnected({.name = "b", .output_size = 12}), {x}, "a");
  const Value y = graph.Add(Tanh());
  graph.AddTied(LayerNormalization({.name = "again"}), {y}, "norm");
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  const Trained alone = TrainAlone(70, graph, RankOptions());
  for (const int ranks : {2, 3}) EXPECT_TRUE(Train(ranks, 70, graph, RankOptions()) == alone);
}

TEST(RanksOfOneRun, RankZeroAloneTells) {
  std::mutex mutex;
  std::vector<int> rows(3);
  TestFolder folder;
  RunRanks(3, [&](Reducer& reducer) {
    TrainingOptions options = RankOptions();
    options.reducer = &reducer;
    options.checkpoint_path = folder / "checkpoint.npz";
    options.on_iteration = [&](const ProgressRow&) {
      const std::lock_guard lock(mutex);
      ++rows[static_cast<size_t>(reducer.rank())];
    };
    const TrainingResult result = TrainNetwork(StripeData(70), StripeGraph(), options);
    EXPECT_TRUE(result.checkpointed);
  });
  EXPECT_EQ(rows, (std::vector<int>{6, 0, 0}));
}

TEST(RanksOfOneRun, AnyRankStopsAll) {
  RunRanks(2, [&](Reducer& reducer) {
    const std::atomic<bool> stop = reducer.rank() == 1;
    TrainingOptions options = RankOptions();
    options.reducer = &reducer;
    options.stop = &stop;
    const TrainingResult result = TrainNetwork(StripeData(70), StripeGraph(), options);
    EXPECT_TRUE(result.stopped);
    EXPECT_TRUE(result.history.empty());
  });
}

TEST(RanksOfOneRun, ARankThatFailsEndsAll) {
  const auto run = [] {
    RunRanks(2, [](Reducer& reducer) {
      TrainingOptions options = RankOptions();
      options.reducer = &reducer;
      if (reducer.rank() == 1) options.mini_batch_size = 0;
      TrainNetwork(StripeData(70), StripeGraph(), options);
    });
  };
  EXPECT_ERROR_LIKE(run(), "mini_batch_size is 0");
}

}  // namespace
}  // namespace normkit
