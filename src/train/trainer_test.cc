#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "normkit/core/threads.h"
#include "normkit/data/batch.h"
#include "normkit/data/identity.h"
#include "normkit/norm/normalization.h"
#include "src/core/testing.h"
#include "src/train/batches.h"
#include "src/train/statistics.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

TrainingOptions SmallRun() {
  return {.solver = Solver::kAdam,
          .max_epochs = 3,
          .mini_batch_size = 32,
          .initial_learn_rate = 0.01,
          .shuffle = Shuffle::kEveryEpoch,
          .validation_data = StripeData(60, 2),
          .validation_frequency = 5};
}

TEST(TrainNetwork, Learns) {
  const TrainingResult result = TrainNetwork(StripeData(300), StripeGraph(), SmallRun());
  EXPECT_EQ(result.history.size(), 30u);  // 9 full mini-batches and one of 12, 3 epochs
  EXPECT_GT(result.final_validation_accuracy, 95);
  EXPECT_LT(result.final_validation_loss, result.history.front().batch_loss);
  EXPECT_TRUE(result.has_validation);
  EXPECT_FALSE(result.stopped);
  EXPECT_GT(result.peak_bytes, 0u);
  EXPECT_EQ(result.network.classes, (std::vector<std::string>{"row", "column", "none"}));
  EXPECT_EQ(result.network.facts.at("solver"), "adam");
  EXPECT_EQ(result.network.facts.at("iterations"), "30");
  EXPECT_EQ(ParseValueRange(result.network.facts.at("input-range")), StripeData(300)->Range());
  EXPECT_EQ(Difference(Identify(*StripeData(300)), result.network.facts, "training-data-"), "");
  EXPECT_EQ(Difference(Identify(*StripeData(60, 2)), result.network.facts, "validation-data-"), "");
  EXPECT_EQ(Difference(Identify(*StripeData(60, 3)), result.network.facts, "validation-data-"),
            "its contents have changed (names or sizes of files, values of arrays)");
  EXPECT_EQ(result.statistics_gaps.size(), 1u);
  const Evaluation evaluation = Evaluate(result.network, StripeData(60, 2), 7);
  EXPECT_EQ(evaluation.accuracy, result.final_validation_accuracy);
  EXPECT_NEAR(evaluation.loss, result.final_validation_loss, 1e-6);
}

TEST(TrainNetwork, EveryWayToTrainLearns) {
  for (const Solver solver : {Solver::kSgdm, Solver::kRmsProp})
    for (const Statistics statistics : {Statistics::kMoving, Statistics::kPopulationExact}) {
      TrainingOptions options = SmallRun();
      options.solver = solver;
      options.max_epochs = 6;
      options.learn_rate_schedule = Schedule::kCosine;
      options.gradient_threshold = 5;
      options.batch_normalization_statistics = statistics;
      const TrainingResult result = TrainNetwork(StripeData(300), StripeGraph(), options);
      EXPECT_GT(result.final_validation_accuracy, 90) << Name(solver) << " " << Name(statistics);
    }
}

TEST(TrainNetwork, SameBytesForAnyNumberOfThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3, 8}) {
    SetNumThreads(threads);
    TrainingOptions options = SmallRun();
    options.max_epochs = 2;
    results.push_back(ValuesOf(TrainNetwork(StripeData(100), StripeGraph(), options).network));
  }
  SetNumThreads(0);
  for (const auto& result : results) EXPECT_EQ(result, results.front());
}

TEST(TrainNetwork, TheSeedDecides) {
  TrainingOptions options = SmallRun();
  options.max_epochs = 1;
  const auto run = [&] {
    return ValuesOf(TrainNetwork(StripeData(90), StripeGraph(), options).network);
  };
  const auto first = run();
  EXPECT_EQ(run(), first);
  options.seed = 2;
  EXPECT_NE(run(), first);
}

TEST(TrainNetwork, TellsOfItsProgress) {
  TrainingOptions options = SmallRun();
  options.verbose_frequency = 7;
  std::vector<int64_t> rows, iterations;
  options.on_row = [&](const ProgressRow& row) { rows.push_back(row.iteration); };
  options.on_iteration = [&](const ProgressRow& row) { iterations.push_back(row.iteration); };
  const TrainingResult result = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_EQ(rows, (std::vector<int64_t>{1, 5, 7, 10, 12}));  // 4 an epoch
  EXPECT_EQ(iterations.size(), 12u);
  for (size_t i = 0; i < result.history.size(); ++i) {
    const ProgressRow& row = result.history[i];
    EXPECT_EQ(row.iteration, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(row.epoch, static_cast<int64_t>(i) / 4 + 1);
    EXPECT_EQ(row.has_validation, row.iteration % 5 == 0 || row.iteration == 12);
    EXPECT_EQ(row.learn_rate, 0.01);
    EXPECT_GE(row.batch_accuracy, 0);
    EXPECT_LE(row.batch_accuracy, 100);
  }
}

// x - bn: what batch normalization sees are the mini-batches themselves.
TEST(TrainNetwork, MovingStatisticsFollowTheRecurrence) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 64}));
  graph.Add(BatchNormalization({.name = "bn", .mean_decay = 0.2, .variance_decay = 0.3}));
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  const DataPtr images = StripeData(50);
  std::vector<float> x(50 * 64);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 50; ++i) {
    images->Read(i, std::span(x).subspan(static_cast<size_t>(i) * 64, 64));
    labels.push_back(images->label(i));
  }
  const DataPtr data = FromArrays(Layout::Make("BC", std::vector<int64_t>{1, 64}), x, labels,
                                  images->classes(), "stripes");
  TrainingOptions options{.max_epochs = 2, .mini_batch_size = 16, .shuffle = Shuffle::kEveryEpoch};
  options.batch_normalization_statistics = Statistics::kMoving;
  const Network network = TrainNetwork(data, graph, options).network;

  std::vector<float> mean(64), variance(64, 1);
  const auto sizes = BatchSizes(50, 16, Single::kDrop);
  for (int64_t epoch = 1; epoch <= 2; ++epoch) {
    const auto order = EpochOrder(50, Shuffle::kEveryEpoch, options.seed, epoch);
    for (const auto& indices : Cut(order, sizes)) {
      std::vector<float> batch(indices.size() * 64);
      ReadBatch(*data, indices, batch);
      std::vector<Moments> moments(64);
      AddMoments(batch, moments);
      for (size_t c = 0; c < 64; ++c) {
        mean[c] = static_cast<float>(0.8 * mean[c] + 0.2 * moments[c].mean);
        variance[c] = static_cast<float>(0.7 * variance[c] + 0.3 * moments[c].variance());
      }
    }
  }
  const Parameters& parameters = network.parameters;
  for (size_t c = 0; c < 64; ++c) {
    EXPECT_FLOAT_EQ(parameters.Get(*parameters.Find("bn.trained_mean"))[c], mean[c]);
    EXPECT_FLOAT_EQ(parameters.Get(*parameters.Find("bn.trained_variance"))[c], variance[c]);
  }
}

TEST(TrainNetwork, StopsWhenPatienceEnds) {
  TrainingOptions options = SmallRun();
  options.max_epochs = 100;
  options.validation_frequency = 1;
  options.validation_patience = 3;
  options.initial_learn_rate = 0.5;
  const TrainingResult result = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_TRUE(result.stopped_early);
  ASSERT_LT(result.history.size(), 400u);
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i + 3 < result.history.size(); ++i)
    best = std::min(best, result.history[i].validation_loss);
  for (size_t i = result.history.size() - 3; i < result.history.size(); ++i)
    EXPECT_GE(result.history[i].validation_loss, best);
}

TEST(TrainNetwork, Regression) {
  std::vector<float> x, targets;
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    const double a = random.Normal(), b = random.Normal();
    x.insert(x.end(), {static_cast<float>(a), static_cast<float>(b)});
    targets.push_back(static_cast<float>(3 * a - b + 2));
  }
  const DataPtr data =
      FromArraysRegression(Layout::Make("BC", std::vector<int64_t>{1, 2}), x, targets, 1, "plane");
  Graph graph;
  graph.Add(FeatureInput({.num_features = 2}));
  graph.Add(FullyConnected({.output_size = 1}));
  TrainingOptions options{.max_epochs = 40, .mini_batch_size = 20, .initial_learn_rate = 0.05};
  options.l2_regularization = 0;
  options.validation_data = data;
  const TrainingResult result = TrainNetwork(data, graph, options);
  EXPECT_LT(result.final_validation_accuracy, 0.01);  // root of the mean squared error
  EXPECT_GT(result.history.front().batch_accuracy, 1);
  const Evaluation evaluation = Evaluate(result.network, data);
  EXPECT_TRUE(evaluation.predicted.empty());
  EXPECT_TRUE(evaluation.confusion.empty());
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

Graph LinearGraph(int64_t outputs, bool softmax) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 2}));
  graph.Add(FullyConnected({.name = "fc", .output_size = outputs}));
  if (softmax) graph.Add(Softmax());
  return graph;
}

DataPtr Classes(std::vector<float> x, std::vector<std::string> names = {"a", "b"}) {
  std::vector<int64_t> labels;
  for (size_t i = 0; i < x.size() / 2; ++i) labels.push_back(static_cast<int64_t>(i % 2));
  return FromArrays(Layout::Make("BC", std::vector<int64_t>{1, 2}), std::move(x), std::move(labels),
                    std::move(names), "numbers");
}

DataPtr Targets(std::vector<float> x, std::vector<float> targets) {
  return FromArraysRegression(Layout::Make("BC", std::vector<int64_t>{1, 2}), std::move(x),
                              std::move(targets), 1, "numbers");
}

Network Untrained(const Graph& graph, std::vector<std::string> classes) {
  Network network{graph, Parameters(graph), std::move(classes), {}};
  network.parameters.Initialize(graph, 1);
  return network;
}

TEST(TrainNetwork, LossThatIsNotFiniteIsBlamedOnTheLearningRate) {
  const TrainingOptions options{.max_epochs = 50, .initial_learn_rate = 1e30};
  EXPECT_THAT(
      [&] {
        TrainNetwork(Targets({1, 2, 3, 4}, {1, 2}), LinearGraph(1, false), options);
      },
      ::testing::Throws<DivergedError>());
  EXPECT_ERROR_LIKE(TrainNetwork(Targets({1, 2, 3, 4}, {1, 2}), LinearGraph(1, false), options),
                    "try a lower initial_learn_rate (it is 1e+30) or a gradient_threshold (the "
                    "observations are finite)");
  // The loss is finite, the step behind it is not.
  EXPECT_ERROR_LIKE(
      TrainNetwork(Targets({1e15f, 1e15f, 1e15f, 1e15f}, {1, 2}), LinearGraph(1, false),
                   {.max_epochs = 1, .initial_learn_rate = 1e30}),
      "training: after iteration 1 fully connected 'fc': weights[0] is ");
}

// Wherever observations are read, the one that is not finite is named.
TEST(NotFinite, ObservationsAndTargetsAreNamed) {
  for (const float bad : {kNan, kInf, -kInf}) {
    const std::string value = fmt::format("{}", bad);
    const DataPtr good = Classes({1, 2, 3, 4, 5, 6}), data = Classes({1, 2, 3, 4, 5, bad});
    const std::string message =
        "reading observation 2 of numbers: value [1] is " + value + ", expected finite numbers";
    EXPECT_ERROR(TrainNetwork(data, LinearGraph(2, true), {}), message);
    TrainingOptions options;
    options.validation_data = data;
    EXPECT_ERROR(TrainNetwork(good, LinearGraph(2, true), options), message);
    EXPECT_ERROR(Evaluate(Untrained(LinearGraph(2, true), {"a", "b"}), data), message);
    EXPECT_ERROR(Evaluate(Untrained(LinearGraph(2, true), {"a", "b"}), Subset(data, {2})), message);

    const DataPtr targets = Targets({1, 2, 3, 4}, {1, bad});
    const std::string of_target =
        "reading observation 1 of numbers: target [0] is " + value + ", expected finite numbers";
    EXPECT_ERROR(TrainNetwork(targets, LinearGraph(1, false), {}), of_target);
    EXPECT_ERROR(Evaluate(Untrained(LinearGraph(1, false), {}), targets), of_target);
  }
}

TEST(NotFinite, WhatOverflowsInsideIsAnError) {
  const std::string message =
      "evaluating 'numbers': what the network gives for observation 1 of numbers is not finite: "
      "numbers overflow inside it";
  for (const bool classes : {true, false}) {
    Network network = classes ? Untrained(LinearGraph(2, true), {"a", "b"})
                              : Untrained(LinearGraph(1, false), {});
    for (float& weight : network.parameters.Get(*network.parameters.Find("fc.weights")))
      weight = 10;
    const std::vector<float> x{1, 2, kLargest, kLargest, 3, 4, kLargest, kLargest};
    const DataPtr data = classes ? Classes(x) : Targets(x, {1, 2, 3, 4});
    for (const int64_t batch : {1, 3, 100}) EXPECT_ERROR(Evaluate(network, data, batch), message);
  }
}

TEST(TrainNetwork, DataThatDoNotFitAreAnError) {
  const DataPtr data = StripeData(30);
  EXPECT_ERROR(TrainNetwork(nullptr, StripeGraph(), {}), "training: no data given");
  EXPECT_ERROR(TrainNetwork(Subset(data, {}), StripeGraph(), {}),
               "training on '0 of stripes (30, seed 1)': has no observations");
  TrainingOptions options;
  options.validation_data = Subset(data, {});
  EXPECT_ERROR(TrainNetwork(data, StripeGraph(), options),
               "evaluating '0 of stripes (30, seed 1)': has no observations");
  options.validation_data = FromArrays(Layout::Make("BSSC", std::vector<int64_t>{1, 8, 8, 1}),
                                       std::vector<float>(64), {0}, {"only"}, "another");
  EXPECT_ERROR(
      TrainNetwork(data, StripeGraph(), options),
      "validating on 'another': it has 1 classes, expected 3: its classes are 'only', expected "
      "'row, column, none' (those of the training data)");
}

TEST(Evaluate, NetworkAndDataHaveToFit) {
  const DataPtr data = Classes({1, 2, 3, 4});
  const auto network = [](int64_t outputs, std::vector<std::string> names) {
    return Untrained(LinearGraph(outputs, true), std::move(names));
  };
  const struct {
    Network network;
    DataPtr data;
    const char* message;
  } cases[] = {
      {network(2, {"only"}), data,
       "evaluating 'numbers': the network has names of 1 classes, expected 2 (what it gives)"},
      {network(3, {"a", "b", "c"}), data,
       "evaluating 'numbers': it has 2 classes, expected 3: its classes are 'a, b', expected "
       "'a, b, c'"},
      {network(3, {}), data, "data 'numbers': 2 classes, expected 3 (what the network gives)"},
      {network(2, {"b", "a"}), data,
       "evaluating 'numbers': its classes are 'a, b', expected 'b, a'"},
      {network(2, {"a", "c"}), data,
       "evaluating 'numbers': its classes are 'a, b', expected 'a, c'"},
      {network(2, {"a", "b"}), Targets({1, 2}, {1}),
       "evaluating 'numbers': it has targets, expected the 2 classes of the network"},
      {network(2, {}), Targets({1, 2}, {1}),
       "data 'numbers': targets to predict, expected classes (the loss is cross-entropy)"},
      {Untrained(LinearGraph(2, false), {}), data,
       "data 'numbers': classes to tell apart, expected targets (the loss is mean-squared-error)"},
      {network(2, {"a", "b"}), StripeData(3),
       "evaluating 'stripes (3, seed 1)': it has 3 classes, expected 2: its classes are 'row, "
       "column, none', expected 'a, b'"},
      {network(3, {}), StripeData(3),
       "data 'stripes (3, seed 1)': observations are BSSC [1,8,8,1], expected BC [1,2] (what the "
       "network's input layer takes)"},
      {network(2, {}), nullptr, "evaluating: no data given"},
  };
  for (const auto& one : cases) EXPECT_ERROR(Evaluate(one.network, one.data), one.message);
  EXPECT_EQ(Evaluate(network(2, {}), data).predicted.size(), 2u);  // other people's models
}

TEST(Evaluate, CountsConfusions) {
  const Network network = TrainNetwork(StripeData(300), StripeGraph(), SmallRun()).network;
  const DataPtr data = StripeData(31, 9);
  const Evaluation evaluation = Evaluate(network, data, 8);
  ASSERT_EQ(evaluation.predicted.size(), 31u);
  ASSERT_EQ(evaluation.confusion.size(), 3u);
  int64_t all = 0, right = 0;
  for (size_t t = 0; t < 3; ++t)
    for (size_t p = 0; p < 3; ++p) {
      all += evaluation.confusion[t][p];
      if (t == p) right += evaluation.confusion[t][p];
    }
  EXPECT_EQ(all, 31);
  EXPECT_NEAR(evaluation.accuracy, 100.0 * static_cast<double>(right) / 31, 1e-9);
  EXPECT_ERROR(Evaluate(network, data, 0),
               "evaluating 'stripes (31, seed 9)': mini_batch_size is 0, expected 1 or more");
}

}  // namespace
}  // namespace normkit
