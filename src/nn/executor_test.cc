#include "normkit/graph/executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normkit/core/threads.h"
#include "normkit/nn/batch_statistics.h"
#include "normkit/nn/input_statistics.h"
#include "normkit/nn/layers.h"
#include "normkit/nn/networks.h"
#include "src/core/count_allocations.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

// Every kind of layer once, with values that several layers read.
Graph AllKinds() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {11, 9, 3}, .normalization = InputNormalization::kZscore}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 8, .padding = Padding::Same()}));
  const Value batch = graph.Add(BatchNormalization());
  const Value relu = graph.Add(Relu());
  const Value group = graph.Add(GroupNormalization({.num_groups = 4}), {relu});
  const Value gelu = graph.Add(Gelu(), {group});
  const Value layer = graph.Add(LayerNormalization(), {relu});
  const Value sum = graph.Add(Addition({.num_inputs = 3}), {gelu, layer, relu});
  const Value twice = graph.Add(Addition(), {sum, sum});
  graph.Add(InstanceNormalization());
  graph.Add(LeakyRelu());
  const Value pooled = graph.Add(MaxPooling2d({.pool_size = {2, 2}, .stride = {2, 2}}));
  const Value average =
      graph.Add(AveragePooling2d({.pool_size = {2, 2}, .stride = {2, 2}}), {twice});
  const Value normed = graph.Add(BatchNormalization(), {batch});  // its input is not fused away
  graph.Add(MaxPooling2d({.pool_size = {2, 2}, .stride = {2, 2}}), {normed});
  graph.Add(Concatenation({.num_inputs = 3}), {pooled, average, graph.output()});
  graph.Add(Dropout({.probability = 0.2}));
  const Value last = graph.Add(RmsNormalization());
  graph.Add(GlobalAveragePooling2d(), {last});
  const Value global = graph.Add(Flatten());
  graph.Add(Flatten(), {last});
  graph.Add(FullyConnected({.output_size = 20}));
  graph.Add(Tanh());
  graph.Add(FullyConnected({.output_size = 24}));
  graph.Add(BatchNormalization());
  graph.Add(Relu());
  graph.Add(Addition(), {global, graph.output()});
  graph.Add(Sigmoid());
  graph.Add(FullyConnected({.output_size = 5}));
  graph.Add(Softmax());
  return graph;
}

struct Pass {
  std::vector<float> y;
  Parameters parameters, gradients;
};

Pass RunOnce(const Graph& graph, int64_t batch_size, bool keep_all) {
  Pass pass{{}, Parameters(graph), Parameters(graph)};
  pass.parameters.Initialize(graph, 1);
  Executor executor(graph, batch_size, true, keep_all);
  Random random(1);
  for (float& x : executor.input()) x = static_cast<float>(random.Normal());
  RunContext mode{.training = true, .seed = 2};
  for (mode.iteration = 0; mode.iteration < 3; ++mode.iteration) {  // the second finds used memory
    const std::span<const float> y = executor.Forward(pass.parameters, mode);
    MoveStatistics(graph, executor, pass.parameters);
    pass.y.assign(y.begin(), y.end());
    const std::vector<float> dy(y.begin(), y.end());
    executor.Backward(pass.parameters, dy, graph.output(), mode, pass.gradients);
    for (size_t i = 0; i < pass.gradients.values().size(); ++i)
      pass.parameters.values()[i] -= 0.01f * pass.gradients.values()[i];
  }
  return pass;
}

void ExpectSameBits(const Pass& a, const Pass& b) {
  EXPECT_EQ(a.y, b.y);
  EXPECT_TRUE(std::ranges::equal(a.gradients.values(), b.gradients.values()));
  EXPECT_TRUE(std::ranges::equal(a.parameters.values(), b.parameters.values()));
}

TEST(ExecutorTest, SharedMemoryAndFusionChangeNoBit) {
  const Graph graph = AllKinds();
  for (const int64_t batch_size : {2, 7}) {
    const Pass shared = RunOnce(graph, batch_size, false), kept = RunOnce(graph, batch_size, true);
    for (const Parameter& parameter : shared.gradients.list())
      for (const float g : shared.gradients.Get(parameter)) ASSERT_TRUE(std::isfinite(g));
    ExpectSameBits(shared, kept);
  }
  EXPECT_LT(Executor(graph, 8, false).arena_bytes(), Executor(graph, 8, true).arena_bytes());
  EXPECT_LT(Executor(graph, 8, true).arena_bytes(), Executor(graph, 8, true, true).arena_bytes());
}

// Sums whose gradients lie over one another, or must not: an operand that also goes elsewhere
// before, behind or past the other one, one that stands twice, and one that the other is made of.
TEST(ExecutorTest, SumsInPlaceChangeNoBit) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 8}));
  const auto dense = [&](Value x) { return graph.Add(FullyConnected({.output_size = 8}), {x}); };
  const auto sum = [&](Value a, Value b) { return graph.Add(Addition(), {a, b}); };
  Value x = dense(0);
  x = graph.Add(Relu(), {sum(dense(graph.Add(Relu(), {dense(x)})), x)});  // residual
  x = graph.Add(Relu(), {sum(x, graph.Add(Tanh(), {x}))});                // made of it at once
  x = sum(x, sum(x, dense(x)));                                           // twice on the way
  x = sum(sum(x, x), dense(x));
  const Value early = graph.Add(BatchNormalization(), {x}), late = dense(x);
  x = sum(early, late);
  x = graph.Add(Addition({.num_inputs = 3}), {x, early, late});
  x = graph.Add(Relu(), {graph.Add(Addition({.num_inputs = 3}), {x, dense(x), x})});
  const Value left = dense(x), right = graph.Add(Gelu(), {dense(x)});
  graph.Add(Sigmoid(), {sum(sum(left, right), dense(left))});
  for (const int64_t batch_size : {2, 5}) {
    const Pass shared = RunOnce(graph, batch_size, false), kept = RunOnce(graph, batch_size, true);
    ExpectSameBits(shared, kept);
  }
}

// Normalizations with the sum and the ReLU behind them, and such that must not run as one.
Graph Residuals() {
  Graph graph;
  const Value input = graph.Add(ImageInput({.input_size = {7, 5, 8}}));
  const auto conv = [&](Value x) {
    return graph.Add(
        Convolution2d({.filter_size = {3, 3}, .num_filters = 8, .padding = Padding::Same()}), {x});
  };
  const auto relu_of_sum = [&](Value a, Value b) {
    return graph.Add(Relu(), {graph.Add(Addition(), {a, b})});
  };
  Value x = relu_of_sum(graph.Add(BatchNormalization(), {conv(input)}), input);
  for (const LayerPtr& norm : {BatchNormalization(), GroupNormalization({.num_groups = 2}),
                               InstanceNormalization(), LayerNormalization(), RmsNormalization(),
                               BatchNormalization({.use_trained_statistics = true})}) {
    const Value normed = graph.Add(norm, {conv(x)});
    x = graph.num_layers() % 2 ? relu_of_sum(normed, x) : relu_of_sum(x, normed);
  }
  const Value left = graph.Add(BatchNormalization(), {conv(x)});
  x = relu_of_sum(left, graph.Add(BatchNormalization(), {conv(x)}));  // either, not both
  x = relu_of_sum(graph.Add(LayerNormalization(), {x}), x);           // of its own input
  const Value early = x;
  x = relu_of_sum(graph.Add(BatchNormalization(), {conv(x)}), x);
  x = graph.Add(Addition(), {x, early});  // read once more behind the sum
  const Value waits = graph.Add(BatchNormalization(), {x});
  const Value middle = relu_of_sum(graph.Add(BatchNormalization(), {conv(x)}), x);
  x = relu_of_sum(conv(middle), waits);
  graph.Add(GlobalAveragePooling2d());
  return graph;
}

TEST(ExecutorTest, NormalizationsWithSumAndReluChangeNoBit) {
  const Graph graph = Residuals();
  for (const int64_t batch_size : {2, 9}) {
    const Pass fused = RunOnce(graph, batch_size, false), apart = RunOnce(graph, batch_size, true);
    for (const float g : fused.gradients.values()) ASSERT_TRUE(std::isfinite(g));
    ExpectSameBits(fused, apart);
  }
  EXPECT_LT(Executor(graph, 8, true).arena_bytes(), Executor(graph, 8, true, true).arena_bytes());
}

void ExpectSamePrediction(const Graph& graph) {
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  std::vector<std::vector<float>> results;
  for (const bool keep_all : {false, true}) {
    Executor executor(graph, 3, false, keep_all);
    Random random(1);
    for (float& x : executor.input()) x = static_cast<float>(random.Normal());
    for (int pass = 0; pass < 2; ++pass) {  // the input is still there
      const auto y = executor.Forward(parameters, {});
      results.emplace_back(y.begin(), y.end());
    }
  }
  for (const auto& y : results) EXPECT_EQ(y, results[0]);
}

TEST(ExecutorTest, InferenceGivesTheSameWithSharedMemory) {
  ExpectSamePrediction(AllKinds());
  ExpectSamePrediction(Residuals());
}

TEST(ExecutorTest, SameBitsForAnyNumberOfThreads) {
  for (const auto& [graph, batch_size] :
       {std::pair(AllKinds(), 5), {AllKinds(), 67}, {Residuals(), 11}}) {
    SetNumThreads(1);
    const Pass one = RunOnce(graph, batch_size, false);
    for (const int threads : {2, 3, 8}) {
      SCOPED_TRACE(threads);
      SetNumThreads(threads);
      ExpectSameBits(one, RunOnce(graph, batch_size, false));
    }
  }
  SetNumThreads(0);
}

TEST(ExecutorTest, AllocatesNothingOnceWarm) {
  // Without convolutions and pooling: oneDNN makes a table of arguments at each call.
  Graph graph;
  graph.Add(ImageInput({.input_size = {12, 10, 16}}));
  const Value shortcut = graph.Add(Gelu());
  graph.Add(Tanh());
  graph.Add(BatchNormalization());
  graph.Add(Relu(), {graph.Add(Addition(), {graph.output(), shortcut})});
  for (const LayerPtr& layer : {BatchNormalization(), Relu(), GroupNormalization({.num_groups = 4}),
                                Gelu(), InstanceNormalization(), Dropout(), LayerNormalization(),
                                Flatten(), FullyConnected({.output_size = 30}), RmsNormalization(),
                                Tanh(), FullyConnected({.output_size = 10}), Softmax()})
    graph.Add(layer);
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, 16, true);
  std::fill(executor.input().begin(), executor.input().end(), 0.5f);
  const RunContext mode{.training = true};
  const std::vector<float> dy(160, 0.1f);
  // A thread gets scratch memory when it first has work of a kind, which may be late.
  int quiet = 0;
  for (int pass = 0; pass < 1000 && quiet < 10; ++pass) {
    const int64_t before = allocated_bytes;
    executor.Forward(parameters, mode);
    MoveStatistics(graph, executor, parameters);
    executor.Backward(parameters, dy, graph.output(), mode, gradients);
    executor.Forward(parameters, {});
    quiet = allocated_bytes == before ? quiet + 1 : 0;
  }
  EXPECT_EQ(quiet, 10) << "passes in a row without allocation";
}

TEST(ExecutorTest, TwoSizesOfInputThroughOneExecutor) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 4}, .normalization = InputNormalization::kNone}));
  graph.Add(InstanceNormalization());
  graph.Add(Relu());
  graph.Add(GlobalAveragePooling2d());
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph);
  SetNumThreads(1);
  const Layout small = Layout::Make("BSSC", std::vector<int64_t>{2, 8, 8, 4});
  const Layout large = Layout::Make("BSSC", std::vector<int64_t>{1, 16, 12, 4});
  std::vector<std::vector<float>> results;
  int64_t at_third = 0;
  for (int call = 0; call < 6; ++call) {
    const int64_t before = allocated_bytes;
    executor.SetShapes({call % 2 ? &large : &small, 1});
    Random random(static_cast<uint64_t>(call % 2));
    for (float& x : executor.input()) x = static_cast<float>(random.Normal());
    const std::span<const float> y = executor.Forward(parameters, {});
    if (call >= 2) at_third += allocated_bytes - before;
    results.emplace_back(y.begin(), y.end());
    EXPECT_EQ(results.back(), results[static_cast<size_t>(call % 2)]);
  }
  SetNumThreads(0);
  EXPECT_EQ(at_third, 0);
  EXPECT_EQ(results[0].size(), 8u);
  EXPECT_EQ(results[1].size(), 4u);
  const Layout wrong = Layout::Make("BSSC", std::vector<int64_t>{2, 8, 8, 5});
  EXPECT_ANY_THROW(executor.SetShapes({&wrong, 1}));
}

// 2 features of rows, normalized by the mini-batch, then a mean for each sequence.
TEST(ExecutorTest, PackedTimeIsCutAnewForEachMiniBatch) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = 2}));
  const Value norm = graph.Add(BatchNormalization({.name = "bn"}));
  graph.Add(GlobalAveragePooling1d());
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, {.training = true});
  const RunContext mode{.training = true};
  const std::vector<float> x{1, 2, 3, 5, 8, 13, 21, 34};
  const auto run = [&](const std::vector<int64_t>& offsets) {
    executor.SetBatch({.whole = 2}, offsets);
    std::ranges::copy(x, executor.input().begin());
    const std::span<const float> y = executor.Forward(parameters, mode);
    return std::vector<float>(y.begin(), y.end());
  };
  const std::vector<float> first = run({0, 1, 4});
  ASSERT_EQ(first.size(), 4u);
  EXPECT_EQ(executor.part(norm).whole, 4);
  EXPECT_EQ(executor.part().whole, 2);
  EXPECT_EQ(BatchStatistics(graph, executor, graph.value(norm).layer).count, 4);
  EXPECT_NEAR(BatchStatistics(graph, executor, graph.value(norm).layer).mean[1], 13.5, 1e-12);
  EXPECT_NEAR(first[0] + 3 * first[2], 0, 1e-6);  // rows' mean is 0
  const size_t bytes = executor.arena_bytes();
  const std::vector<float> second = run({0, 3, 4});
  EXPECT_NEAR(3 * second[0] + second[2], 0, 1e-6);
  EXPECT_NE(first, second);
  EXPECT_EQ(executor.arena_bytes(), bytes);
  EXPECT_EQ(run({0, 1, 4}), first);
  // What was saved is of other sequences once offsets are set.
  executor.SetBatch({.whole = 2}, std::vector<int64_t>{0, 2, 4});
  EXPECT_ERROR(executor.Backward(parameters, first, graph.output(), mode, gradients),
               "executor: Backward called without a training Forward before it");

  const ArrayView rows{const_cast<float*>(x.data()),
                       {DType::kF32, Layout::Make("TC", std::vector<int64_t>{4, 2})}};
  const ArrayView one = executor.Run(parameters, {&rows, 1}, {});  // one sequence, by its shape
  EXPECT_EQ(one.type.shape, Layout::Make("BC", std::vector<int64_t>{1, 2}));
  EXPECT_NEAR(static_cast<const float*>(one.data)[1], 13.5, 1e-3);  // mean 0, variance 1 + epsilon
  executor.SetBatchSize(4);                                         // observations of a row each
  EXPECT_EQ(executor.input().size(), 8u);
  EXPECT_EQ(executor.value(graph.output()).size(), 8u);
}

TEST(ExecutorTest, BackwardFromAnEarlierValueLeavesTheRestAtZero) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 4}));
  graph.Add(FullyConnected({.name = "a", .output_size = 3}));
  const Value logits = graph.Add(FullyConnected({.name = "b", .output_size = 2}));
  graph.Add(FullyConnected({.name = "c", .output_size = 2}));
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  std::fill(gradients.values().begin(), gradients.values().end(), 99.f);
  Executor executor(graph, 2, true);
  std::fill(executor.input().begin(), executor.input().end(), 1.f);
  const RunContext mode{.training = true};
  executor.Forward(parameters, mode);
  EXPECT_EQ(executor.value(logits).size(), 4u);
  executor.Backward(parameters, std::vector<float>{1, 2, 3, 4}, logits, mode, gradients);
  const auto at = [&](const char* name) { return gradients.Get(*gradients.Find(name)); };
  EXPECT_EQ(at("b.bias")[0], 4);
  EXPECT_EQ(at("b.bias")[1], 6);
  EXPECT_NE(at("a.weights")[0], 0);
  for (const float g : at("c.weights")) EXPECT_EQ(g, 0);
  for (const float g : at("c.bias")) EXPECT_EQ(g, 0);
}

TEST(ExecutorTest, BatchStatisticsAreThoseOfTheLastPass) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 2}));
  const Value batch = graph.Add(BatchNormalization({.name = "bn"}));
  const Value trained = graph.Add(BatchNormalization({.use_trained_statistics = true}));
  graph.Add(Relu());
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, 4, true);
  const float x[] = {1, 10, 2, 10, 3, 10, 6, 10};
  std::copy(std::begin(x), std::end(x), executor.input().begin());
  const auto statistics = [&](Value value) {
    return BatchStatistics(graph, executor, graph.value(value).layer);
  };
  EXPECT_EQ(statistics(batch).count, 0);
  executor.Forward(parameters, {.training = true});
  MoveStatistics(graph, executor, parameters);
  const BatchMoments moments = statistics(batch);
  EXPECT_EQ(moments.count, 4);
  EXPECT_DOUBLE_EQ(moments.mean[0], 3);
  EXPECT_DOUBLE_EQ(moments.variance[0], 3.5);
  EXPECT_DOUBLE_EQ(moments.mean[1], 10);
  EXPECT_DOUBLE_EQ(moments.variance[1], 0);
  EXPECT_FLOAT_EQ(parameters.Get(*parameters.Find("bn.trained_mean"))[0], 0.3f);
  EXPECT_FLOAT_EQ(parameters.Get(*parameters.Find("bn.trained_variance"))[0], 0.9f + 0.35f);
  EXPECT_EQ(statistics(trained).count, 0);
  EXPECT_EQ(statistics(0).count, 0);
}

TEST(ExecutorTest, StatisticsMoveOnlyWhereAsked) {
  const auto mean_after = [](const BatchNormalizationOptions& options, bool move) {
    Graph graph;
    graph.Add(FeatureInput({.num_features = 1}));
    graph.Add(BatchNormalization(options));
    Parameters parameters(graph);
    parameters.Initialize(graph, 1);
    Executor executor(graph, 2, true);
    executor.input()[0] = 1;
    executor.input()[1] = 3;
    executor.Forward(parameters, {.training = true});
    if (move) MoveStatistics(graph, executor, parameters);
    return parameters.Get(*parameters.Find("batchnorm_1.trained_mean"))[0];
  };
  EXPECT_FLOAT_EQ(mean_after({}, true), 0.2f);
  EXPECT_FLOAT_EQ(mean_after({.mean_decay = 0.5}, true), 1);
  EXPECT_EQ(mean_after({}, false), 0);
  EXPECT_EQ(mean_after({.freeze_statistics = true}, true), 0);
  EXPECT_EQ(mean_after({.use_trained_statistics = true}, true), 0);
  Graph graph;
  graph.Add(FeatureInput({.num_features = 1}));
  graph.Add(BatchNormalization({.name = "bn"}));
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, 2, true);
  executor.Forward(parameters, {});
  EXPECT_EQ(ErrorOf([&] { MoveStatistics(graph, executor, parameters); }),
            "batch normalization 'bn': its statistics were asked for without a training pass");
}

TEST(ExecutorTest, OneValuePerStatisticWarnsOnceAndLeavesTheVariance) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 1}));
  graph.Add(BatchNormalization({.name = "bn", .offset = {7}}));
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, 1, true);
  executor.input()[0] = 5;
  testing::internal::CaptureStderr();
  for (int pass = 0; pass < 3; ++pass) {
    EXPECT_EQ(executor.Forward(parameters, {.training = true})[0], 7);
    MoveStatistics(graph, executor, parameters);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  const std::string warning =
      "batch normalization 'bn': one value per statistic: the output is the offset (beta), and "
      "running variances are left alone; use larger batches";
  EXPECT_NE(log.find(warning), log.npos) << log;
  EXPECT_EQ(log.find(warning), log.rfind(warning)) << log;
  EXPECT_EQ(parameters.Get(*parameters.Find("bn.trained_variance"))[0], 1);
}

TEST(ExecutorTest, Errors) {
  Graph graph;
  graph.Add(FeatureInput({.name = "in", .num_features = 3}));
  const Value bn = graph.Add(BatchNormalization({.name = "bn"}));
  const Value relu = graph.Add(Relu("relu"));
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  const RunContext training{.training = true};
  const std::vector<float> dy(6);

  EXPECT_EQ(ErrorOf([&] { Executor(Graph(), 1, true); }),
            "executor: the graph has no layers, expected an input layer");
  EXPECT_EQ(ErrorOf([&] { Executor(graph, 0, true); }),
            "executor: batch size is 0, expected at least 1");
  EXPECT_EQ(ErrorOf([&] { Executor(graph, 2, false).Forward(parameters, training); }),
            "executor: a training pass asked of an executor made for inference");
  Executor executor(graph, 2, true);
  EXPECT_EQ(ErrorOf([&] { executor.Backward(parameters, dy, relu, training, gradients); }),
            "executor: Backward called without a training Forward before it");
  executor.Forward(parameters, training);
  EXPECT_EQ(ErrorOf([&] { executor.Backward(parameters, dy, 99, training, gradients); }),
            "executor: value 99 asked for, expected 0 to 8");
  EXPECT_EQ(ErrorOf([&] { executor.Backward(parameters, dy, bn, training, gradients); }),
            "batch normalization 'bn': has no value of its own: it runs as one operation with "
            "others");
  EXPECT_EQ(ErrorOf([&] { executor.Backward(parameters, {}, relu, training, gradients); }),
            "ReLU 'relu': doutput has 0 values, expected 6 (BC [2,3])");
  Parameters none;
  EXPECT_EQ(ErrorOf([&] { executor.Forward(none, training); }),
            "executor: parameters (0 arrays) were made for another graph, expected 4 arrays of "
            "this one");
  EXPECT_EQ(ErrorOf([&] { none.Initialize(graph, 1); }),
            "parameters: made for another graph than the one they are to be initialized for");
  executor.Forward(parameters, training);
  EXPECT_EQ(ErrorOf([&] { executor.Backward(parameters, dy, relu, training, none); }),
            "executor: gradients (0 arrays) were made for another graph, expected 4 arrays of "
            "this one");
  parameters.Get(*parameters.Find("bn.trained_variance"))[1] = -1;
  EXPECT_EQ(ErrorOf([&] { executor.Forward(parameters, {}); }),
            "batch normalization 'bn': trained_variance[1] is -1, expected a finite number >= 0");

  const Value second = graph.Add(Relu("second"));
  const Value third = graph.Add(Relu("third"), {relu});
  EXPECT_EQ(ErrorOf([&] { Executor(graph, 1, true); }),
            "ReLU 'second': no layer reads its output, expected that of the last layer only");
  graph.Add(Addition(), {second, third});
  EXPECT_EQ(ErrorOf([&] { Executor(graph, 1, true).value(relu); }),
            "ReLU 'relu': its value is not kept, expected an executor made with keep_all, "
            "or to keep it");
}

TEST(ExecutorTest, ThePlanKnowsTheArena) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {9, 9, 2}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 5}));
  graph.Add(BatchNormalization());
  graph.Add(Relu());
  for (const bool training : {false, true})
    for (const bool keep_all : {false, true})
      for (const int64_t size : {1, 7})
        EXPECT_EQ(Executor::PlannedBytes(graph, size, training, keep_all),
                  Executor(graph, size, training, keep_all).arena_bytes());
  Graph large;
  large.Add(ImageInput({.input_size = {1 << 20, 1 << 20, 1 << 10}}));
  EXPECT_GE(Executor::PlannedBytes(large, 3, true), 3 * 4.5e15);
}

TEST(ExecutorTest, MemoryThatTheMachineDoesNotHaveIsAnError) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {1 << 20, 1 << 20, 1 << 10}}));
  EXPECT_EQ(ErrorOf([&] { Executor(graph, 1, true); }).substr(0, 65),
            "activations for batch size 1 need 4503599.6 GB of memory, this ma");
  Graph wide;
  wide.Add(FeatureInput({.num_features = 1 << 20}));
  wide.Add(FullyConnected({.name = "fc", .output_size = 1 << 20}));
  EXPECT_EQ(ErrorOf([&] { Parameters parameters(wide); }).substr(0, 63),
            "the parameters up to 'fc.weights' need 4398.0 GB of memory, thi");
}

}  // namespace
}  // namespace normkit
