#include "src/train/statistics.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "normkit/core/random.h"
#include "normkit/core/threads.h"
#include "normkit/data/batch.h"
#include "normkit/graph/executor.h"
#include "normkit/nn/layers.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

// Moments of each channel, in long double and in two passes.
struct Exact {
  long double n = 0, mean = 0, variance = 0;
};
std::vector<Exact> ExactMoments(std::span<const float> x, size_t channels) {
  std::vector<Exact> exact(channels);
  const size_t rows = x.size() / channels;
  for (size_t c = 0; c < channels; ++c) {
    Exact& e = exact[c];
    e.n = static_cast<long double>(rows);
    for (size_t row = 0; row < rows; ++row) e.mean += x[row * channels + c];
    e.mean /= e.n;
    for (size_t row = 0; row < rows; ++row) {
      const long double d = x[row * channels + c] - e.mean;
      e.variance += d * d;
    }
    e.variance /= e.n;
  }
  return exact;
}

void ExpectExact(const std::vector<Moments>& moments, const std::vector<Exact>& exact) {
  ASSERT_EQ(moments.size(), exact.size());
  for (size_t c = 0; c < exact.size(); ++c) {
    EXPECT_EQ(moments[c].n, static_cast<double>(exact[c].n));
    EXPECT_NEAR(moments[c].mean, static_cast<double>(exact[c].mean),
                1e-12 * static_cast<double>(std::abs(exact[c].mean) + 1));
    EXPECT_NEAR(moments[c].variance(), static_cast<double>(exact[c].variance),
                1e-12 * static_cast<double>(exact[c].variance));
  }
}

// Channel c has mean 1000 c and standard deviation c + 1.
std::vector<float> Rows(size_t rows, size_t channels) {
  std::vector<float> x(rows * channels);
  Random random(5);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<double>(i % channels);
    x[i] = static_cast<float>(1000 * c + (c + 1) * random.Normal());
  }
  return x;
}

TEST(AddMoments, ExactForAnyNumberOfRows) {
  for (const size_t rows : {1, 2, 255, 256, 257, 5000}) {
    SCOPED_TRACE(rows);
    const std::vector<float> x = Rows(rows, 3);
    std::vector<Moments> moments(3);
    AddMoments(x, moments);
    if (rows > 1) ExpectExact(moments, ExactMoments(x, 3));
    EXPECT_EQ(moments[2].n, static_cast<double>(rows));
  }
}

TEST(AddMoments, MeanFarFromZero) {
  std::vector<float> x = Rows(4096, 1);
  for (float& value : x) value += 1e6f;
  std::vector<Moments> moments(1);
  AddMoments(x, moments);
  ExpectExact(moments, ExactMoments(x, 1));
}

TEST(AddMoments, SameBitsForAnyNumberOfThreads) {
  const std::vector<float> x = Rows(20000, 3);
  std::vector<double> variances;
  for (const int threads : {1, 2, 3, 8}) {
    SetNumThreads(threads);
    std::vector<Moments> moments(3);
    AddMoments(x, moments);
    variances.push_back(moments[1].m2);
  }
  SetNumThreads(0);
  for (const double variance : variances) EXPECT_EQ(variance, variances.front());
}

constexpr int64_t kFeatures = 3;

DataPtr FeatureData(int64_t count) {
  const std::vector<float> x = Rows(static_cast<size_t>(count), kFeatures);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(i % 2);
  return FromArrays(Layout::Make("BC", std::vector<int64_t>{1, kFeatures}), x, labels,
                    {"even", "odd"}, "features");
}

// Batch normalization directly on the input.
Graph NormOnInput() {
  Graph graph;
  graph.Add(FeatureInput({.num_features = kFeatures}));
  graph.Add(BatchNormalization({.name = "bn"}));
  graph.Add(FullyConnected({.output_size = 2}));
  graph.Add(Softmax());
  return graph;
}

Parameters Initialized(const Graph& graph) {
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  return parameters;
}

TEST(PopulationStatistics, OnTheInputTheyAreThoseOfTheDataSet) {
  const Graph graph = NormOnInput();
  const std::vector<Exact> exact = ExactMoments(Rows(1001, kFeatures), kFeatures);
  for (const int64_t batch : {1, 2, 7, 100, 1000, 1001, 5000}) {  // partial last ones, singles
    SCOPED_TRACE(batch);
    Parameters parameters = Initialized(graph);
    ExpectExact(PoolMoments(graph, parameters, MovingSites(graph), *FeatureData(1001), batch,
                            Upstream::kBatch)[0],
                exact);
    ExpectExact(PoolMoments(graph, parameters, MovingSites(graph), *FeatureData(1001), batch,
                            Upstream::kTrained)[0],
                exact);
  }
}

TEST(PopulationStatistics, AreWrittenAsTrainedStatistics) {
  const Graph graph = NormOnInput();
  const DataPtr data = FeatureData(1001);
  const std::vector<Exact> exact = ExactMoments(Rows(1001, kFeatures), kFeatures);
  for (const Statistics statistics :
       {Statistics::kAuto, Statistics::kPopulation, Statistics::kPopulationExact}) {
    Parameters parameters = Initialized(graph);
    FinishStatistics(graph, parameters, MovingSites(graph), *data, 64, statistics);
    for (size_t c = 0; c < kFeatures; ++c) {
      EXPECT_FLOAT_EQ(parameters.Get(*parameters.Find("bn.trained_mean"))[c],
                      static_cast<float>(exact[c].mean));
      EXPECT_FLOAT_EQ(parameters.Get(*parameters.Find("bn.trained_variance"))[c],
                      static_cast<float>(exact[c].variance));
    }
  }
  Parameters parameters = Initialized(graph);
  FinishStatistics(graph, parameters, MovingSites(graph), *data, 64, Statistics::kMoving);
  EXPECT_EQ(parameters.Get(*parameters.Find("bn.trained_mean"))[1], 0);
}

// bn1 - fc - bn2: what bn2 sees depends on what bn1 normalizes with.
Graph TwoNorms() {
  Graph graph;
  graph.Add(FeatureInput({.num_features = kFeatures}));
  graph.Add(BatchNormalization({.name = "bn1"}));
  graph.Add(FullyConnected({.output_size = 4}));
  graph.Add(Tanh());
  graph.Add(BatchNormalization({.name = "bn2"}));
  graph.Add(FullyConnected({.output_size = 2}));
  graph.Add(Softmax());
  return graph;
}

TEST(PopulationStatistics, ExactOnesAreThoseOfPrediction) {
  const Graph graph = TwoNorms();
  const DataPtr data = FeatureData(203);

  const auto variance_of = [&](Statistics statistics, Parameters& parameters) {
    FinishStatistics(graph, parameters, MovingSites(graph), *data, 8, statistics);
    return parameters.Get(*parameters.Find("bn2.trained_variance"))[0];
  };
  Parameters pooled = Initialized(graph), exact = Initialized(graph);
  const float pooled_variance = variance_of(Statistics::kPopulation, pooled);
  const float exact_variance = variance_of(Statistics::kPopulationExact, exact);
  // With the statistics in place, prediction gives bn2 values of exactly these moments.
  const Moments seen =
      PoolMoments(graph, exact, {MovingSites(graph).back()}, *data, 203, Upstream::kTrained)[0][0];
  EXPECT_FLOAT_EQ(exact_variance, static_cast<float>(seen.variance()));
  EXPECT_NE(pooled_variance, exact_variance);
  EXPECT_NEAR(pooled_variance, exact_variance, 0.3 * exact_variance);
}

// bn1's are exact; bn2's are compared with what it sees behind a bn1 with trained statistics.
TEST(PopulationStatistics, SayHowFarTheyAreFromWhatPredictionFeeds) {
  const Graph graph = TwoNorms();
  const NormSite bn2 = MovingSites(graph).back();
  const DataPtr data = FeatureData(203);
  Parameters parameters = Initialized(graph);
  const auto gaps =
      FinishStatistics(graph, parameters, MovingSites(graph), *data, 8, Statistics::kPopulation);
  const std::vector<Moments> fed =
      PoolMoments(graph, parameters, {bn2}, *data, 203, Upstream::kTrained)[0];
  double mean = 0, variance = 0;
  for (size_t c = 0; c < fed.size(); ++c) {
    const double scale = fed[c].variance() + 1e-5;
    mean = std::max(
        mean, std::abs(parameters.Get(*parameters.Find("bn2.trained_mean"))[c] - fed[c].mean) /
                  std::sqrt(scale));
    variance = std::max(
        variance,
        std::abs(parameters.Get(*parameters.Find("bn2.trained_variance"))[c] - fed[c].variance()) /
            scale);
  }
  ASSERT_EQ(gaps.size(), 2u);
  EXPECT_NEAR(gaps[0].fed_mean, 0, 1e-4);
  EXPECT_NEAR(gaps[0].fed_variance, 0, 1e-4);
  EXPECT_NEAR(gaps[1].fed_mean, mean, 1e-4);
  EXPECT_NEAR(gaps[1].fed_variance, variance, 1e-4);
  EXPECT_GT(variance, 0.001);
  EXPECT_THAT(DescribeStatistics(Statistics::kPopulation, gaps),
              ::testing::HasSubstr(
                  fmt::format("up to {:.1f} % in variance ('bn2') and {:.2f} standard deviations "
                              "in mean ('bn2') from those of what prediction feeds; the moving",
                              100 * variance, mean)));
  for (const StatisticsGap& gap :
       FinishStatistics(graph, parameters, MovingSites(graph), *data, 8, Statistics::kAuto))
    EXPECT_EQ(gap.fed_variance + gap.fed_mean, 0);
}

// Normalizations one behind the other, beside each other, and behind a shortcut; a pooling layer, a
// dropout, a frozen normalization.
Graph Branching() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}, .normalization = InputNormalization::kZscore}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 6, .padding = Padding::Same()}));
  graph.Add(BatchNormalization({.name = "a"}));
  const Value x = graph.Add(Relu());
  graph.Add(Convolution2d(
      {.filter_size = {3, 3}, .num_filters = 4, .stride = {2, 2}, .padding = Padding::Same()}));
  graph.Add(BatchNormalization({.name = "b"}));
  graph.Add(Relu());
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 4, .padding = Padding::Same()}));
  const Value y = graph.Add(BatchNormalization({.name = "c"}));
  graph.Add(Convolution2d({.filter_size = {1, 1}, .num_filters = 4, .stride = {2, 2}}), {x});
  const Value shortcut = graph.Add(BatchNormalization({.name = "s"}));
  graph.Add(Relu(), {graph.Add(Addition(), {y, shortcut})});
  graph.Add(BatchNormalization({.name = "frozen", .freeze_statistics = true}));
  graph.Add(MaxPooling2d({.pool_size = {2, 2}, .stride = {2, 2}}));
  graph.Add(Dropout({.probability = 0.5}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 5}));
  graph.Add(BatchNormalization({.name = "d"}));
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

// Small steps of the statistics and the parameters, so that nothing is as it was initialized.
Parameters Moved(const Graph& graph, const DataSource& data) {
  Parameters parameters = Initialized(graph);
  FillInputStatistics(graph, parameters, data);
  Random random(3);
  for (float& value : parameters.values()) value += static_cast<float>(0.02 * random.Uniform(0, 1));
  return parameters;
}

TEST(AutoStatistics, AreTheExactOnesBitForBitWithAnyMemory) {
  const Graph graph = Branching();
  const DataPtr data = StripeData(103);
  Parameters exact = Moved(graph, *data);
  const auto exact_gaps =
      FinishStatistics(graph, exact, MovingSites(graph), *data, 16, Statistics::kPopulationExact);
  for (const double budget : {0.0, 5e3, 2e4, 1e5, 3e5, 1e9}) {  // bytes: none of it fits, to all
    SCOPED_TRACE(budget);
    for (const int threads : {1, 3}) {
      SetNumThreads(threads);
      Parameters parameters = Moved(graph, *data);
      const auto gaps = FinishStatistics(graph, parameters, MovingSites(graph), *data, 16,
                                         Statistics::kAuto, budget);
      EXPECT_TRUE(std::ranges::equal(parameters.values(), exact.values()));
      ASSERT_EQ(gaps.size(), exact_gaps.size());
    }
  }
  SetNumThreads(0);
}

// The statistics are those of what an executor feeds each normalization in prediction, up to the
// rounding of activations in f32.
TEST(AutoStatistics, AreThoseOfPrediction) {
  const Graph graph = Branching();
  const DataPtr data = StripeData(103);
  Parameters parameters = Moved(graph, *data);
  FinishStatistics(graph, parameters, MovingSites(graph), *data, 16, Statistics::kAuto);
  Executor executor(graph, data->size(), false, true);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < data->size(); ++i) all.push_back(i);
  ReadBatch(*data, all, executor.input());
  executor.Forward(parameters, {});
  for (const char* name : {"a", "b", "c", "s", "d"}) {
    SCOPED_TRACE(name);
    const int layer = graph.Find(name);
    const auto mean = parameters.Get(*parameters.Find(std::string(name) + ".trained_mean"));
    const auto variance = parameters.Get(*parameters.Find(std::string(name) + ".trained_variance"));
    const std::vector<Exact> seen =
        ExactMoments(executor.value(graph.layer(layer).inputs[0]), mean.size());
    for (size_t c = 0; c < mean.size(); ++c) {
      EXPECT_NEAR(
          mean[c], static_cast<double>(seen[c].mean),
          1e-5 * std::sqrt(static_cast<double>(seen[c].variance)) + 1e-6 * std::abs(mean[c]));
      EXPECT_NEAR(variance[c] / static_cast<double>(seen[c].variance), 1, 1e-5);
    }
  }
}

// Every observation is read once where memory allows, once a level where it does not.
TEST(AutoStatistics, TakesOneWalkWhereMemoryAllows) {
  class Counting : public DataSource {
   public:
    explicit Counting(DataPtr source) : source_(std::move(source)) {}
    int64_t size() const override { return source_->size(); }
    const Layout& layout() const override { return source_->layout(); }
    const std::vector<std::string>& classes() const override { return source_->classes(); }
    int64_t label(int64_t index) const override { return source_->label(index); }
    void Read(int64_t index, std::span<float> out) const override {
      ++reads;
      source_->Read(index, out);
    }
    std::string Description() const override { return source_->Description(); }
    mutable std::atomic<int64_t> reads = 0;

   private:
    DataPtr source_;
  };
  const Graph graph = Branching();
  const auto reads = [&](Statistics statistics, double budget) {
    const Counting data(StripeData(40));
    Parameters parameters = Initialized(graph);
    FinishStatistics(graph, parameters, MovingSites(graph), data, 8, statistics, budget);
    return data.reads / data.size();
  };
  EXPECT_EQ(reads(Statistics::kMoving, 0), 0);
  EXPECT_EQ(reads(Statistics::kPopulation, 0), 2);  // and once to compare
  EXPECT_EQ(reads(Statistics::kAuto, 1e9), 1);
  EXPECT_EQ(reads(Statistics::kAuto, 0), 4);  // a; b and s; c; d
  EXPECT_EQ(reads(Statistics::kPopulationExact, 1e9), 5);
}

TEST(AutoStatistics, SayHowFarTheMovingOnesWere) {
  const Graph graph = NormOnInput();
  const DataPtr data = FeatureData(1001);
  const std::vector<Exact> exact = ExactMoments(Rows(1001, kFeatures), kFeatures);
  for (const Statistics statistics :
       {Statistics::kAuto, Statistics::kPopulation, Statistics::kPopulationExact}) {
    Parameters parameters = Initialized(graph);
    FinishStatistics(graph, parameters, MovingSites(graph), *data, 64, statistics);
    parameters.Get(*parameters.Find("bn.trained_variance"))[1] *= 1.08f;
    parameters.Get(*parameters.Find("bn.trained_mean"))[2] +=
        static_cast<float>(0.5 * std::sqrt(exact[2].variance));
    const auto gaps =
        FinishStatistics(graph, parameters, MovingSites(graph), *data, 64, statistics);
    ASSERT_EQ(gaps.size(), 1u);
    EXPECT_EQ(gaps[0].layer, "bn");
    EXPECT_NEAR(gaps[0].variance, 0.08, 1e-4);
    EXPECT_NEAR(gaps[0].mean, 0.5, 1e-3);
    EXPECT_THAT(DescribeStatistics(statistics, gaps),
                ::testing::HasSubstr("; the moving estimates differ by up to 8.0 % in variance "
                                     "('bn') and 0.50 standard deviations in mean ('bn')"));
  }
  EXPECT_EQ(DescribeStatistics(Statistics::kAuto, std::vector<StatisticsGap>()), "");
}

// All three kinds, of two normalizations; those of prediction differ from pooled ones behind bn1.
TEST(SampledGaps, CompareThreeKinds) {
  const Graph graph = TwoNorms();
  const auto sites = MovingSites(graph);
  const DataPtr data = FeatureData(203);
  const auto measured = [&](Statistics statistics, Parameters& parameters) {
    auto gaps = FinishStatistics(graph, parameters, sites, *data, 8, statistics);
    AddSampledGaps(graph, parameters, sites, data, 8, statistics, gaps);
    EXPECT_EQ(gaps.size(), 2u);
    return gaps;
  };
  Parameters pooled = Initialized(graph), exact = Initialized(graph), moving = Initialized(graph);
  const auto of_pooled = measured(Statistics::kPopulation, pooled);
  const auto of_exact = measured(Statistics::kAuto, exact);
  const auto of_moving = measured(Statistics::kMoving, moving);
  // What is used there is what was pooled, up to f32.
  EXPECT_NEAR(of_pooled[1].population_variance, of_pooled[1].fed_variance, 1e-5);
  EXPECT_NEAR(of_pooled[1].population_mean, of_pooled[1].fed_mean, 1e-5);
  EXPECT_GT(of_exact[1].population_variance, 0.001);
  EXPECT_NEAR(of_exact[0].population_variance, 0, 1e-12);  // nothing is normalized before it
  EXPECT_EQ(of_exact[1].fed_variance, 0);
  EXPECT_NEAR(of_moving[0].fed_variance, of_exact[0].variance, 1e-5);  // those 0 and 1 still
  EXPECT_EQ(of_moving[0].variance, 0);
  EXPECT_THAT(DescribeStatistics(Statistics::kMoving, of_moving),
              ::testing::StartsWith("moving: the moving estimates of training, up to "));
  EXPECT_EQ(DescribeStatistics(Statistics::kMoving, std::vector<StatisticsGap>()), "");
}

TEST(PopulationStatistics, FrozenAndUsedStatisticsStay) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = kFeatures}));
  graph.Add(BatchNormalization({.name = "frozen", .freeze_statistics = true}));
  graph.Add(BatchNormalization({.name = "used", .use_trained_statistics = true}));
  graph.Add(LayerNormalization({.name = "layer"}));
  graph.Add(BatchNormalization({.name = "plain"}));
  const std::vector<NormSite> moving = MovingSites(graph);
  ASSERT_EQ(moving.size(), 1u);
  EXPECT_EQ(moving[0].name, "plain");
  Parameters parameters = Initialized(graph);
  FinishStatistics(graph, parameters, MovingSites(graph), *FeatureData(40), 8,
                   Statistics::kPopulation);
  EXPECT_EQ(parameters.Get(*parameters.Find("frozen.trained_variance"))[0], 1);
  EXPECT_EQ(parameters.Get(*parameters.Find("used.trained_variance"))[0], 1);
  EXPECT_NE(parameters.Get(*parameters.Find("plain.trained_variance"))[0], 1);
}

TEST(PopulationStatistics, OneValueLeavesTheVarianceAlone) {
  const Graph graph = NormOnInput();
  Parameters parameters = Initialized(graph);
  FinishStatistics(graph, parameters, MovingSites(graph), *FeatureData(1), 8,
                   Statistics::kPopulation);
  EXPECT_EQ(parameters.Get(*parameters.Find("bn.trained_variance"))[0], 1);
  EXPECT_EQ(parameters.Get(*parameters.Find("bn.trained_mean"))[1], Rows(1, kFeatures)[1]);
}

}  // namespace
}  // namespace normkit
