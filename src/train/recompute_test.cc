// Statistics of finished networks, and training them on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "normkit/data/batch.h"
#include "normkit/nn/network_changes.h"
#include "normkit/train/statistics.h"
#include "src/core/testing.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

TrainingResult Stripes(const TrainingOptions& options = {.max_epochs = 4, .mini_batch_size = 32}) {
  return TrainNetwork(StripeData(300), StripeGraph(), options);
}

Network Copy(const Network& network) {
  return {network.graph, network.parameters.Clone(), network.classes, network.facts};
}

void Spoil(Network& network) {
  std::ranges::fill(network.parameters.Get(*network.parameters.Find("bn.trained_mean")), 0.f);
  std::ranges::fill(network.parameters.Get(*network.parameters.Find("bn.trained_variance")), 1.f);
}

TEST(RecomputeStatistics, BringsBackWhatTrainingHad) {
  const TrainingResult trained = Stripes();
  for (const Statistics method :
       {Statistics::kAuto, Statistics::kPopulation, Statistics::kPopulationExact}) {
    Network network = Copy(trained.network);
    Spoil(network);
    const DataPtr data = StripeData(300);
    EXPECT_GT(MeasureStatistics(network, *data)[0].fed_variance, 0.5);
    const auto gaps =
        RecomputeStatistics(network, *data, {.method = method, .mini_batch_size = 32});
    ASSERT_EQ(gaps.size(), 1u);
    EXPECT_EQ(gaps[0].layer, "bn");
    EXPECT_GT(gaps[0].variance, 0.5);
    EXPECT_EQ(ValuesOf(network), ValuesOf(trained.network));
    EXPECT_LT(MeasureStatistics(network, *data, 32)[0].fed_variance, 1e-6);
  }
}

TEST(RecomputeStatistics, AdaptsByAWeight) {
  const Network trained = Stripes().network;
  Network whole = Copy(trained), half = Copy(trained);
  Spoil(whole);
  Spoil(half);
  RecomputeStatistics(whole, *StripeData(300), {});
  RecomputeStatistics(half, *StripeData(300), {.weight = 0.5});
  const auto of = [](const Network& network) {
    return network.parameters.Get(*network.parameters.Find("bn.trained_variance"))[0];
  };
  EXPECT_FLOAT_EQ(of(half), 0.5f + 0.5f * of(whole));
}

TEST(RecomputeStatistics, MovesByTheDecayOfTheLayer) {
  Network network = Stripes().network;
  Spoil(network);
  RecomputeStatistics(network, *StripeData(320),
                      {.method = Statistics::kMoving, .mini_batch_size = 32});
  Network exact = Copy(network);
  RecomputeStatistics(exact, *StripeData(320), {});
  const auto of = [](const Network& of_network) {
    return double{of_network.parameters.Get(*of_network.parameters.Find("bn.trained_variance"))[0]};
  };
  // 1 - 0.9^10 of ten mini-batches' variances, 0.9^10 of the 1 that it began with.
  const double kept = std::pow(0.9, 10);
  EXPECT_NEAR(of(network), (1 - kept) * of(exact) + kept, 0.05 * of(exact));
}

// 75 mini-batches of 4: the last round of 2 and of 4 ranks is not full.
TEST(RecomputeStatistics, SharedByRanksToTheBit) {
  const Network trained = Stripes().network;
  for (const Statistics method : {Statistics::kAuto, Statistics::kPopulation,
                                  Statistics::kPopulationExact, Statistics::kMoving}) {
    Network alone = Copy(trained);
    const RecomputeOptions options{.method = method, .mini_batch_size = 4};
    const double gap = RecomputeStatistics(alone, *StripeData(300), options)[0].variance,
                 fed = MeasureStatistics(alone, *StripeData(300), 4)[0].fed_variance;
    for (const int ranks : {2, 3, 4})
      RunRanks(ranks, [&](Reducer& reducer) {
        Network network = Copy(trained);
        RecomputeOptions own = options;
        own.reducer = &reducer;
        EXPECT_EQ(RecomputeStatistics(network, *StripeData(300), own)[0].variance, gap);
        EXPECT_EQ(ValuesOf(network), ValuesOf(alone)) << Name(method) << ", " << ranks << " ranks";
        EXPECT_EQ(MeasureStatistics(network, *StripeData(300), 4, &reducer)[0].fed_variance, fed);
      });
  }
}

// What is frozen or used in training is recomputed all the same.
TEST(RecomputeStatistics, OfFrozenAndUsedOnes) {
  Network network = ChangeNetwork(Stripes().network, {.use_trained_statistics = {"b?"}});
  const std::vector<float> before = ValuesOf(network);
  Spoil(network);
  RecomputeStatistics(network, *StripeData(300), {.mini_batch_size = 32});
  EXPECT_EQ(ValuesOf(network), before);
}

TEST(RecomputeStatistics, Refuses) {
  Network network = Stripes().network;
  EXPECT_ERROR(RecomputeStatistics(network, *StripeData(3), {.layers = {"nb"}}),
               "layers: nothing is called 'nb', did you mean 'bn'?; expected some of: bn");
  EXPECT_ERROR(RecomputeStatistics(network, *StripeData(3), {.weight = 0}),
               "statistics: weight is 0, expected more than 0 and at most 1");
  EXPECT_ERROR(RecomputeStatistics(network, *StripeData(3), {.mini_batch_size = 0}),
               "statistics: mini_batch_size is 0, expected 1 or more");
  const DataPtr other =
      FromArrays(Layout::Make("BC", std::vector<int64_t>{1, 2}), {1, 2}, {0}, {"a"}, "rows");
  EXPECT_ERROR(RecomputeStatistics(network, *other, {}),
               "statistics of 'rows': observations are BC [1,2], expected BSSC [1,8,8,1] (what the "
               "network takes)");
  std::ranges::fill(network.parameters.Get(*network.parameters.Find("conv_1.weights")), 3e38f);
  EXPECT_ERROR(RecomputeStatistics(network, *StripeData(30), {}),
               "statistics of 'stripes (30, seed 1)': numbers overflow before 'bn': its mean would "
               "not be finite");
}

TEST(FineTuning, GoesOnFromTheNetwork) {
  const Network first = Stripes().network;
  const TrainingOptions options{.max_epochs = 1, .mini_batch_size = 50, .initial_learn_rate = 1e-6};
  const TrainingResult result = TrainNetwork(StripeData(300), first, options);
  EXPECT_GT(TrainingAccuracy(result), 95);
  // A learning rate of almost nothing: still the network that it began with.
  const auto before = first.parameters.Get(*first.parameters.Find("conv_1.weights"));
  const auto after =
      result.network.parameters.Get(*result.network.parameters.Find("conv_1.weights"));
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(before[i], after[i], 1e-4);
  EXPECT_EQ(ValuesOf(TrainNetwork(StripeData(300), first, options).network),
            ValuesOf(result.network));
}

// The network has learned of other pictures, and sees these as it saw those.
TEST(FineTuning, TakesTheInputAnew) {
  const Network first = Stripes().network;
  const DataPtr plain = StripeData(300);
  std::vector<float> x(300 * 64);
  std::vector<int64_t> labels(300), indices(300);
  std::iota(indices.begin(), indices.end(), 0);
  ReadBatch(*plain, indices, x);
  for (size_t i = 0; i < labels.size(); ++i)
    plain->ReadLabels(static_cast<int64_t>(i), {&labels[i], 1});
  for (float& value : x) value = 3 * value + 500;
  const DataPtr bright =
      FromArrays(plain->layout(), std::move(x), std::move(labels), plain->classes(), "bright");
  TrainingOptions options{.max_epochs = 1, .mini_batch_size = 50, .initial_learn_rate = 1e-6};
  options.batch_normalization_statistics = Statistics::kMoving;
  const auto mean = [](const Network& network) {
    return network.parameters.Get(network.parameters.list()[0])[0];
  };
  const TrainingResult kept = TrainNetwork(bright, first, options);
  EXPECT_EQ(mean(kept.network), mean(first));
  EXPECT_FALSE(kept.network.facts.contains("reset-input-normalization"));
  options.reset_input_normalization = ResetInputNormalization::kOn;
  const TrainingResult reset = TrainNetwork(bright, first, options);
  EXPECT_NEAR(mean(reset.network), 3 * mean(first) + 500, 0.01);
  EXPECT_EQ(reset.network.facts.at("reset-input-normalization"), "on");
  EXPECT_GT(Evaluate(reset.network, bright).accuracy, 95);
  EXPECT_LT(Evaluate(kept.network, bright).accuracy, 70);

  Graph graph;  // whose input layer has none
  graph.Add(ImageInput({.input_size = {8, 8, 1}, .normalization = InputNormalization::kNone}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  const Network plainly = TrainNetwork(plain, graph, options).network;
  testing::internal::CaptureStderr();
  TrainNetwork(plain, plainly, options);
  EXPECT_NE(
      testing::internal::GetCapturedStderr().find("the network's input layer normalizes nothing"),
      std::string::npos);
}

// The three switches are three.
TEST(FineTuning, FrozenStaysAndStatisticsAreAskedApart) {
  const Network first = Stripes().network;
  const TrainingOptions options{.max_epochs = 1,
                                .mini_batch_size = 50,
                                .batch_normalization_statistics = Statistics::kMoving};
  const auto changed = [&](const NetworkChanges& changes) {
    const Network network =
        TrainNetwork(StripeData(90, 2), ChangeNetwork(first, changes), options).network;
    std::vector<std::string> names;
    for (const Parameter& p : network.parameters.list())
      if (!std::ranges::equal(network.parameters.Get(p),
                              first.parameters.Get(*first.parameters.Find(p.name))))
        names.push_back(p.name);
    return names;
  };
  using Names = std::vector<std::string>;
  const Names conv{"conv_1.weights", "conv_1.bias"}, fc{"fc_1.weights", "fc_1.bias"};
  EXPECT_EQ(changed({.freeze = {"conv*", "bn"}}),
            (Names{"bn.trained_mean", "bn.trained_variance", fc[0], fc[1]}));
  EXPECT_EQ(changed({.freeze = {"conv*", "fc*"}, .freeze_statistics = {"*"}}),
            (Names{"bn.scale", "bn.offset"}));
  EXPECT_EQ(changed({.freeze = {"conv_1", "bn.offset", "fc*"}, .use_trained_statistics = {"bn"}}),
            (Names{"bn.scale"}));
}

// What renormalizes goes on with the trained statistics alone.
TEST(FineTuning, UsesWhatWasRenormalized) {
  Network network;
  network.graph.Add(FeatureInput({.num_features = 3}));
  network.graph.Add(BatchNormalization({.name = "bn",
                                        .trained_mean = {1, 2, 3},
                                        .renormalize = true,
                                        .renormalization_scale_limit = 2,
                                        .renormalization_shift_limit = 1,
                                        .renormalization_warm_up = 7}));
  network.parameters = Parameters(network.graph);
  network.parameters.Initialize(network.graph, 1);
  const Network changed = ChangeNetwork(network, {.use_trained_statistics = {"bn"}});
  EXPECT_EQ(ValuesOf(changed), ValuesOf(network));
  EXPECT_EQ(network.graph.layer(1).layer->Description(), "epsilon 1e-05, renormalized in training");
  EXPECT_EQ(changed.graph.layer(1).layer->Description(), "epsilon 1e-05");
}

TEST(FineTuning, OtherClassesAndOtherSizes) {
  const Network first = Stripes().network;
  const Network changed = ChangeNetwork(first, {.classes = {"x", "y"}});
  EXPECT_EQ(changed.classes, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(changed.graph.layout(changed.graph.output()).size(), 2);
  EXPECT_EQ(changed.parameters.Find("fc_1.weights")->shape, (std::vector<int64_t>{2, 128}));
  EXPECT_TRUE(std::ranges::equal(changed.parameters.Get(*changed.parameters.Find("conv_1.weights")),
                                 first.parameters.Get(*first.parameters.Find("conv_1.weights"))));
  EXPECT_ERROR(ChangeNetwork(first, {.height = 16}),
               "pictures of another size: 'fc_1.weights' is [3,256], expected [3,128] (the "
               "network's own); a network takes other sizes where it pools all of the picture "
               "before it connects");
  EXPECT_ERROR(ChangeNetwork(first, {.freeze = {"conv2"}}),
               "freeze: nothing is called 'conv2', did you mean 'conv_1'?; expected some of: "
               "conv_1, bn, fc_1");
}

TEST(FineTuning, ResetsAndEpsilons) {
  const Network changed =
      ChangeNetwork(Stripes().network, {.reset = {"bn"}, .epsilon = 0.5, .epsilon_of = {"b*"}});
  for (const float x : changed.parameters.Get(*changed.parameters.Find("bn.scale")))
    EXPECT_EQ(x, 1);
  for (const float x : changed.parameters.Get(*changed.parameters.Find("bn.offset")))
    EXPECT_EQ(x, 0);
  EXPECT_THAT(changed.graph.layer(changed.graph.Find("bn")).layer->Description(),
              ::testing::HasSubstr("epsilon 0.5"));
}

}  // namespace
}  // namespace normkit
