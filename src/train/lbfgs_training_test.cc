// TrainNetwork with the solver lbfgs.
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "normkit/train/lbfgs.h"
#include "src/core/testing.h"
#include "src/train/needs.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

// As StripeGraph, without what is random.
Graph SteadyGraph() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 4, .padding = Padding::Same()}));
  graph.Add(BatchNormalization({.name = "bn"}));
  graph.Add(Relu());
  graph.Add(MaxPooling2d({.pool_size = {4, 4}, .stride = {4, 4}}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

TrainingOptions Options() {
  return {.solver = Solver::kLbfgs,
          .mini_batch_size = 32,
          .max_iterations = 12,
          .initial_step_size = 0.1};
}

TEST(LbfgsTraining, GoesLowerThanSgdm) {
  const DataPtr data = StripeData(100), others = StripeData(90, 2);
  TrainingOptions options = Options();
  options.max_iterations = 25;
  int64_t last = 0;
  options.on_iteration = [&](const ProgressRow& row) {
    EXPECT_EQ(row.epoch, row.iteration);
    EXPECT_GT(row.learn_rate, 0);
    last = row.iteration;
  };
  const TrainingResult ours = TrainNetwork(data, SteadyGraph(), options);
  EXPECT_EQ(std::ssize(ours.history), last);
  // As many passes over the data, in steps of 32 observations.
  const TrainingResult sgdm = TrainNetwork(
      data, SteadyGraph(), {.max_epochs = 25, .mini_batch_size = 32, .initial_learn_rate = 0.01});
  EXPECT_LT(ours.history.back().batch_loss, sgdm.history.back().batch_loss / 2);
  EXPECT_EQ(ours.network.facts.at("solver"), "lbfgs");
  EXPECT_EQ(ours.network.facts.at("max-iterations"), "25");
  EXPECT_FALSE(ours.network.facts.contains("initial-learn-rate"));
  EXPECT_FALSE(ours.network.facts.contains("shuffle"));
  EXPECT_GT(Evaluate(ours.network, others).accuracy, 95);
}

TEST(LbfgsTraining, ResumedRunsEndWithTheSameBytes) {
  const TestFolder folder;
  TrainingOptions options = Options();
  options.history_size = 4;
  options.validation_data = StripeData(30, 2);
  options.validation_frequency = 5;
  const TrainingResult whole = TrainNetwork(StripeData(100), SteadyGraph(), options);
  for (const int64_t last : {1, 3, 7, 11}) {
    SCOPED_TRACE(last);
    TrainingOptions second = options;
    second.resume_from = folder / "checkpoint.npz";
    EXPECT_TRUE(StopAfter(last, second.resume_from, options, StripeData(100), SteadyGraph()));
    const TrainingResult resumed = TrainNetwork(StripeData(100), SteadyGraph(), second);
    EXPECT_EQ(ValuesOf(resumed.network), ValuesOf(whole.network));
    EXPECT_EQ(resumed.network.facts, whole.network.facts);
    ASSERT_EQ(resumed.history.size(), whole.history.size());
    for (size_t i = 0; i < whole.history.size(); ++i)
      EXPECT_EQ(resumed.history[i].batch_loss, whole.history[i].batch_loss);
  }
}

TEST(LbfgsTraining, EndsWhereNothingIsGained) {
  const TestFolder folder;
  TrainingOptions options = Options();
  options.max_iterations = 1000;
  options.gradient_tolerance = 1e-2;
  options.validation_data = StripeData(30, 2);
  options.checkpoint_path = folder / "checkpoint.npz";
  const TrainingResult result = TrainNetwork(StripeData(100), SteadyGraph(), options);
  EXPECT_LT(result.history.size(), 200u);
  EXPECT_EQ(result.converged, "the gradient is within gradient_tolerance");
  EXPECT_EQ(result.network.facts.at("stopped"), result.converged);
  EXPECT_TRUE(result.history.back().has_validation);
  // Its checkpoint is at the end, too.
  options.resume_from = options.checkpoint_path;
  const TrainingResult again = TrainNetwork(StripeData(100), SteadyGraph(), options);
  EXPECT_EQ(again.converged, result.converged);
  EXPECT_EQ(ValuesOf(again.network), ValuesOf(result.network));
  EXPECT_EQ(again.history.size(), result.history.size());
  // What is trained on from there has nothing to do.
  options.resume_from = "";
  const TrainingResult on = TrainNetwork(StripeData(100), result.network, options);
  EXPECT_EQ(on.history.size(), 1u);
  EXPECT_EQ(on.converged, result.converged);
}

TEST(LbfgsTraining, SameBytesForThreadsAndMicroBatches) {
  const auto values = [](int threads, int64_t micro) {
    SetNumThreads(threads);
    TrainingOptions options = Options();
    options.micro_batch_size = micro;
    return ValuesOf(TrainNetwork(StripeData(100), SteadyGraph(), options).network);
  };
  const auto alone = values(1, 0);
  for (const int threads : {1, 2, 3})
    for (const int64_t micro : {0, 50, 7}) EXPECT_EQ(values(threads, micro), alone) << micro;
  SetNumThreads(0);
}

TEST(LbfgsTraining, SaysWhatItDoesNotTake) {
  EXPECT_ERROR(TrainNetwork(StripeData(100), StripeGraph(), Options()),
               "training: dropout 'dropout_1' with the solver lbfgs, expected a network without "
               "anything random");
  Graph renormalized;
  renormalized.Add(ImageInput({.input_size = {8, 8, 1}}));
  renormalized.Add(BatchNormalization({.name = "bn", .renormalize = true}));
  renormalized.Add(Flatten());
  renormalized.Add(FullyConnected({.output_size = 3}));
  renormalized.Add(Softmax());
  EXPECT_ERROR(TrainNetwork(StripeData(100), renormalized, Options()),
               "training: batch normalization 'bn' is renormalized with the solver lbfgs, expected "
               "a network without (its loss is another in each iteration)");
  TrainingOptions options = Options();
  options.gradient_threshold = 1;
  const std::string expected =
      " with the solver lbfgs, expected none (it searches for steps by the loss of all data)";
  EXPECT_ERROR(Resolve(options), "training options: a gradient_threshold" + expected);
  options = Options();
  options.augment.flip = 0.5;
  EXPECT_ERROR(Resolve(options), "training options: augmentation" + expected);
  options = Options();
  options.learn_rate_function = [](int64_t, int64_t) { return 1.0; };
  EXPECT_ERROR(Resolve(options), "training options: a learn_rate_function" + expected);
  options = Options();
  options.micro_batch_size = 6;
  EXPECT_ERROR(TrainNetwork(StripeData(100), SteadyGraph(), options),
               "training options: micro_batch_size is 6 with a step of 100, expected 7 or "
               "more (a sixteenth)");
  options.history_size = 0;
  EXPECT_ERROR(Resolve(options),
               "training options: history_size is 0, expected a whole number from 1 to 1000");
  const Graph graph = SteadyGraph();
  EXPECT_ERROR(Optimizer(Resolve(Options()), Parameters(graph)),
               "Optimizer: solver lbfgs, expected one of mini-batches (lbfgs is the class Lbfgs)");
}

TEST(LbfgsTraining, ALossThatIsNotFiniteHasDiverged) {
  TrainingOptions options = Options();
  options.max_iterations = 1;
  Network network = TrainNetwork(StripeData(100), SteadyGraph(), options).network;
  std::ranges::fill(network.parameters.values(), 3e38f);  // what the first layer gives is infinite
  EXPECT_THROW(TrainNetwork(StripeData(100), network, options), DivergedError);
  EXPECT_ERROR_LIKE(TrainNetwork(StripeData(100), network, options),
                    "at iteration 1, expected finite numbers");
}

TEST(LbfgsTraining, ItsMemoryIsKnown) {
  const Graph graph = SteadyGraph();
  const auto bytes = static_cast<double>(Parameters(graph).values().size_bytes());
  TrainingOptions options = Options();
  const auto needs = [&] { return TrainingNeeds(graph, options, 100, 0).total(); };
  const double ten = needs();
  options.history_size = 11;
  EXPECT_EQ(needs() - ten, 2 * bytes);
  options.micro_batch_size = 50;
  EXPECT_LT(needs(), ten);
}

}  // namespace
}  // namespace normkit
