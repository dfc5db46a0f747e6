// Which network a training ends with, what stops it, and the options that change what is learned.
#include <cmath>
#include <vector>

#include "normkit/data/npy.h"
#include "normkit/nn/loss.h"
#include "src/core/testing.h"
#include "src/train/metrics.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

TrainingOptions Wild() {  // rates at which validation goes up and down
  return {.solver = Solver::kSgdm,
          .max_epochs = 4,
          .mini_batch_size = 20,
          .initial_learn_rate = 0.3,
          .batch_normalization_statistics = Statistics::kMoving,
          .validation_data = StripeData(60, 2),
          .validation_frequency = 2};
}

TEST(OutputNetworkTest, BestIsThatOfTheBestValidation) {
  for (const Metric metric : {Metric::kLoss, Metric::kAccuracy, Metric::kFScore, Metric::kAuc}) {
    SCOPED_TRACE(std::string(Name(metric)));
    TrainingOptions options = Wild();
    options.objective_metric = metric;
    const TrainingResult best = TrainNetwork(StripeData(100), StripeGraph(), options);
    options.output_network = OutputNetwork::kLast;
    const TrainingResult last = TrainNetwork(StripeData(100), StripeGraph(), options);
    EXPECT_EQ(last.best_iteration, 0);
    const ProgressRow* expected = nullptr;
    for (const ProgressRow& row : last.history)
      if (row.has_validation &&
          (!expected || IsBetter(metric, row.validation_metric, expected->validation_metric)))
        expected = &row;
    ASSERT_EQ(best.best_iteration, expected->iteration);
    EXPECT_EQ(best.network.facts.at("best-iteration"), std::to_string(best.best_iteration));
    // What it validated to then, with the same moving statistics.
    EXPECT_EQ(best.final_validation_loss, expected->validation_loss);
    EXPECT_EQ(last.final_validation_loss, last.history.back().validation_loss);
  }
}

TEST(OutputNetworkTest, WithoutValidationItIsTheLast) {
  TrainingOptions options = Wild();
  options.validation_data = nullptr;
  EXPECT_EQ(TrainNetwork(StripeData(100), StripeGraph(), options).best_iteration, 0);
  options.output_network = OutputNetwork::kBest;
  EXPECT_ERROR(TrainNetwork(StripeData(100), StripeGraph(), options),
               "training options: output_network is best without validation_data, expected some");
}

TEST(OutputNetworkTest, ResumedRunsKnowTheBest) {
  const TestFolder folder;
  TrainingOptions options = Wild();
  options.learn_rate_schedule = Schedule::kExponential;
  options.learn_rate_drop_factor = 0.5;
  options.learn_rate_warmup = 3;
  options.label_smoothing = 0.1;
  options.class_weights.balanced = true;
  const TrainingResult whole = TrainNetwork(StripeData(100), StripeGraph(), options);
  for (const int64_t last : {1, 5, 12, 19}) {
    TrainingOptions rest = options;
    rest.resume_from = folder / "checkpoint.npz";
    EXPECT_TRUE(StopAfter(last, rest.resume_from, options, StripeData(100), StripeGraph()));
    const TrainingResult resumed = TrainNetwork(StripeData(100), StripeGraph(), rest);
    EXPECT_EQ(resumed.best_iteration, whole.best_iteration);
    EXPECT_EQ(ValuesOf(resumed.network), ValuesOf(whole.network));
  }
}

TEST(OutputFunctionTest, IsCalledAndCanStop) {
  TrainingOptions options = Wild();
  std::vector<int64_t> iterations;
  std::vector<TrainingInfo::State> states;
  options.output_function = [&](const TrainingInfo& info) {
    states.push_back(info.state);
    iterations.push_back(info.row.iteration);
    EXPECT_EQ(info.iterations, 20);
    EXPECT_EQ(info.per_epoch, 5);
    EXPECT_EQ(info.gradients != nullptr, info.state == TrainingInfo::State::kIteration);
    EXPECT_NE(info.parameters->Find("bn.scale"), nullptr);
    return info.row.iteration == 3;
  };
  const TrainingResult result = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(iterations, (std::vector<int64_t>{0, 1, 2, 3, 3}));
  using State = TrainingInfo::State;
  EXPECT_EQ(states, (std::vector<State>{State::kStart, State::kIteration, State::kIteration,
                                        State::kIteration, State::kDone}));
}

TEST(OutputFunctionTest, CanStopBeforeAnything) {
  TrainingOptions options = Wild();
  options.output_function = [](const TrainingInfo&) { return true; };
  EXPECT_EQ(TrainNetwork(StripeData(100), StripeGraph(), options).history.size(), 0u);
}

TEST(CheckpointUnitTest, EverySoManyIterations) {
  const TestFolder folder;
  TrainingOptions options = Wild();
  options.checkpoint_path = folder / "checkpoint.npz";
  options.checkpoint_frequency = 3;
  options.checkpoint_frequency_unit = FrequencyUnit::kIteration;
  std::vector<int64_t> seen;
  options.on_iteration = [&](const ProgressRow&) {
    seen.push_back(ReadNpz(options.checkpoint_path).at("history").shape[0]);
  };
  TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_EQ(std::vector<int64_t>(seen.begin(), seen.begin() + 8),
            (std::vector<int64_t>{0, 0, 0, 3, 3, 3, 6, 6}));
}

// As the formulas say, of one observation a class.
TEST(ClassTargetsTest, WeightsAndSmoothing) {
  const std::vector<float> logits{1, 2, 3, 0.5f, -1, 0};
  const std::vector<int64_t> labels{2, 0};
  const std::vector<double> weights{2, 1, 0.5};
  std::vector<float> gradient(6);
  const double loss =
      CrossEntropySum(logits, labels, 3, 2, gradient, {.weights = weights, .smoothing = 0.3});
  double expected = 0;
  for (size_t b = 0; b < 2; ++b) {
    double sum = 0;
    for (size_t c = 0; c < 3; ++c) sum += std::exp(double{logits[b * 3 + c]});
    for (size_t c = 0; c < 3; ++c) {
      const double log_p = logits[b * 3 + c] - std::log(sum);
      const double target = 0.1 + (labels[b] == static_cast<int64_t>(c) ? 0.7 : 0);
      const double weight = weights[static_cast<size_t>(labels[b])];
      expected -= weight * target * log_p;
      EXPECT_NEAR(gradient[b * 3 + c], weight * (std::exp(log_p) - target) / 2, 1e-7);
    }
  }
  EXPECT_NEAR(loss, expected, 1e-12);
}

// Finite differences of the losses of targets and pixels.
TEST(LossTest, GradientsAreThoseOfTheLosses) {
  const std::vector<float> y{0.3f, -1.2f, 2.5f, 0.1f, 0.7f, -0.4f},
      target{0.1f, 1, -1, 0.1001f, 0, 0};
  const std::vector<int64_t> labels{1, 0, 1};
  using Function = std::function<double(std::span<const float>, std::span<float>)>;
  const Function functions[] = {
      [&](auto x, auto dx) { return AbsoluteErrorSum(x, target, 1, dx); },
      [&](auto x, auto dx) { return HuberErrorSum(x, target, 1.5, 1, dx); },
      [&](auto x, auto dx) { return HalfSquaredErrorSum(x, target, 1, dx); },
      [&](auto x, auto dx) { return DiceLossSum(x, labels, 2, 3, 1, dx); },
      [&](auto x, auto dx) { return CrossEntropySum(x, labels, 2, 1, dx, {.smoothing = 0.2}); }};
  for (const Function& function : functions) {
    std::vector<float> gradient(6);
    function(y, gradient);
    for (size_t i = 0; i < y.size(); ++i) {
      constexpr float kStep = 0x1p-15f;
      std::vector<float> up = y, down = y;
      up[i] += kStep, down[i] -= kStep;
      const double slope = (function(up, {}) - function(down, {})) / (double{up[i]} - down[i]);
      EXPECT_NEAR(gradient[i], slope, 1e-5) << i;  // curvature times the step, and f32 gradients
    }
  }
}

TEST(ClassWeightsTest, WhatTheyDoNotFitIsSaid) {
  TrainingOptions options = Wild();
  options.class_weights.values = {1, 2};
  EXPECT_ERROR(TrainNetwork(StripeData(100), StripeGraph(), options),
               "training on 'stripes (100, seed 1)': 2 class weights, expected 3 (classes)");
  options.class_weights.values = {1, 2, -1};
  EXPECT_ERROR(
      TrainNetwork(StripeData(100), StripeGraph(), options),
      "training on 'stripes (100, seed 1)': a class weight is -1, expected a finite number "
      "above 0");
  options.class_weights = {};
  options.label_smoothing = 0.1;
  options.loss = Loss::kDice;
  EXPECT_ERROR(TrainNetwork(StripeData(100), StripeGraph(), options),
               "training on 'stripes (100, seed 1)': label smoothing with the loss dice, expected "
               "cross-entropy");
}

// 60 of a class, 20 and 20 of the others: with weights all count alike.
TEST(ClassWeightsTest, BalancedAreByCount) {
  std::vector<int64_t> indices;
  const DataPtr all = StripeData(180);
  for (int64_t i = 0; i < 180; ++i)
    if (i % 3 == 0 || i < 60) indices.push_back(i);
  TrainingOptions options = Wild();
  options.class_weights.balanced = true;
  const TrainingResult balanced = TrainNetwork(Subset(all, indices), StripeGraph(), options);
  options.class_weights = {.balanced = false, .values = {100. / 180, 100. / 60, 100. / 60}};
  const TrainingResult given = TrainNetwork(Subset(all, indices), StripeGraph(), options);
  EXPECT_EQ(ValuesOf(balanced.network), ValuesOf(given.network));
  options.class_weights = {};
  EXPECT_NE(ValuesOf(TrainNetwork(Subset(all, indices), StripeGraph(), options).network),
            ValuesOf(given.network));
}

// Functions of one's own, which do what options do, train alike.
TEST(OwnFunctionsTest, AreUsed) {
  TrainingOptions options = Wild();
  options.learn_rate_function = [](int64_t epoch, int64_t) { return epoch > 2 ? 0.01 : 0.05; };
  options.metric_function = [](const Predictions& p) {
    EXPECT_EQ(p.outputs.size(), p.labels.size() * 3);
    return FScore(p.labels, p.predicted, p.width);
  };
  const TrainingResult result = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_EQ(result.history.front().learn_rate, 0.05);
  EXPECT_EQ(result.history.back().learn_rate, 0.01);
  EXPECT_EQ(result.network.facts.at("metric-function"), "given");

  options = Wild();
  const auto graph = [] {  // no softmax: the functions see the same values
    Graph g;
    g.Add(ImageInput({.input_size = {8, 8, 1}}));
    g.Add(Flatten());
    g.Add(FullyConnected({.output_size = 3}));
    return g;
  };
  options.initial_learn_rate = 0.01;
  options.loss_function = [](const LossInput& input, std::span<float> gradient) {
    return CrossEntropySum(input.outputs, input.labels, input.width, 1, gradient);
  };
  const TrainingResult own = TrainNetwork(StripeData(80), graph(), options);
  options.loss_function = nullptr;
  Graph with_softmax = graph();
  with_softmax.Add(Softmax());
  const TrainingResult built_in = TrainNetwork(StripeData(80), with_softmax, options);
  EXPECT_NEAR(own.history.back().batch_loss, built_in.history.back().batch_loss, 1e-4);
}

// Class numbers of pixels: the row or column of each picture that is bright.
TEST(PixelLossTest, SegmentsStripes) {
  constexpr int64_t kCount = 90;
  const DataPtr stripes = StripeData(kCount);
  std::vector<float> x(kCount * 64), targets(kCount * 64);
  for (int64_t i = 0; i < kCount; ++i) {
    const auto one = std::span(x).subspan(static_cast<size_t>(i * 64), 64);
    stripes->Read(i, one);
    for (size_t p = 0; p < 64; ++p) targets[static_cast<size_t>(i * 64) + p] = one[p] > 130;
  }
  const DataPtr data = FromArraysRegression(Layout::Make("BSSC", std::vector<int64_t>{1, 8, 8, 1}),
                                            x, targets, 64, "bright pixels");
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 4, .padding = Padding::Same()}));
  graph.Add(Relu());
  graph.Add(Convolution2d({.filter_size = {1, 1}, .num_filters = 2}));
  graph.Add(Softmax());
  for (const Loss loss : {Loss::kAuto, Loss::kDice}) {
    TrainingOptions options{.solver = Solver::kAdam,
                            .max_epochs = 12,
                            .mini_batch_size = 16,
                            .initial_learn_rate = 0.02,
                            .loss = loss};
    const TrainingResult result = TrainNetwork(data, graph, options);
    EXPECT_GT(TrainingAccuracy(result), 95) << Name(loss);
    EXPECT_LT(result.history.back().batch_loss, result.history.front().batch_loss);
    EXPECT_GT(Evaluate(result.network, data, 16, loss).accuracy, 95);
  }
}

}  // namespace
}  // namespace normkit
