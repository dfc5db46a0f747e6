// After the first iteration of a training, none allocates.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "normkit/core/threads.h"
#include "src/core/count_allocations.h"
#include "src/train/sequence_test_data.h"

namespace normkit {
namespace {

// Bytes that each iteration of one epoch asked for.
std::vector<int64_t> BytesOfIterations(const Graph& graph, TrainingOptions options) {
  const int64_t iterations = 24;
  options.max_epochs = 1;
  options.mini_batch_size = 32;
  std::vector<int64_t> bytes;
  bytes.reserve(iterations);
  options.on_iteration = [&](const ProgressRow&) { bytes.push_back(allocated_bytes); };
  TrainNetwork(StripeData(32 * iterations), graph, options);
  for (size_t i = bytes.size() - 1; i > 0; --i) bytes[i] -= bytes[i - 1];
  return bytes;
}

// Convolutions and pooling are missing: oneDNN makes a table of arguments at each call.
Graph DenseGraph() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  Value x = graph.Add(Flatten());
  for (int block = 0; block < 2; ++block) {
    const Value shortcut = graph.Add(FullyConnected({.output_size = 40}), {x});
    graph.Add(BatchNormalization());
    graph.Add(Relu());
    graph.Add(FullyConnected({.output_size = 40}));
    x = graph.Add(BatchNormalization());
    x = graph.Add(Relu(), {graph.Add(Addition(), {x, shortcut})});
  }
  graph.Add(Dropout());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

TEST(TrainingAllocation, NothingAfterTheFirstIteration) {
  for (const int threads : {1, 2}) {
    SetNumThreads(threads);
    for (const Solver solver : {Solver::kSgdm, Solver::kRmsProp, Solver::kAdam}) {
      for (const double threshold : {0.0, 1.0}) {
        const std::vector<int64_t> bytes = BytesOfIterations(
            DenseGraph(), {.solver = solver,
                           .gradient_threshold = threshold,
                           .gradient_threshold_method = GradientThresholdMethod::kGlobalL2Norm});
        ASSERT_EQ(bytes.size(), 24u);
        EXPECT_GT(bytes[0], 0);  // what the count is worth
        // A thread gets scratch memory when it first has work of a kind, which may be late.
        const std::vector<int64_t> none(threads == 1 ? 22 : 5);
        EXPECT_NE(std::ranges::search(bytes, none).begin(), bytes.end())
            << Name(solver) << ", " << threads << " threads: " << testing::PrintToString(bytes);
      }
    }
  }
  SetNumThreads(0);
}

// Steps differ in how many points of a line they try, which is nothing to allocate for.
TEST(LbfgsAllocation, NothingOnceWarm) {
  SetNumThreads(1);
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 20}));
  graph.Add(BatchNormalization());
  graph.Add(Relu());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  TrainingOptions options{.solver = Solver::kLbfgs, .max_iterations = 20};
  std::vector<int64_t> bytes;
  bytes.reserve(20);
  options.on_iteration = [&](const ProgressRow&) { bytes.push_back(allocated_bytes); };
  TrainNetwork(StripeData(100), graph, options);
  SetNumThreads(0);
  ASSERT_EQ(bytes.size(), 20u);
  for (size_t i = 2; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], bytes[1]) << i;
}

TEST(TrainingAllocation, OnlyTablesOfArgumentsWithConvolutions) {
  SetNumThreads(1);
  const std::vector<int64_t> bytes = BytesOfIterations(StripeGraph(), {});
  SetNumThreads(0);
  const int64_t activation = 32 * 8 * 8 * 8 * 4;  // the smallest array of a value
  for (size_t i = 2; i < bytes.size(); ++i) {
    EXPECT_EQ(bytes[i], bytes[2]) << i;
    EXPECT_LT(bytes[i], activation) << i;
  }
}

// Mini-batches of as many sequences and rows, cut elsewhere each time.
TEST(SequenceAllocation, NothingOnceShapesAreKnown) {
  SetNumThreads(1);
  for (const NamedNorm& norm : kNorms) {
    Indices lengths;
    Random random(4);
    Indices of_batch{1, 2, 30, 4, 1, 17, 3, 9};
    for (int batch = 0; batch < 12; ++batch) {
      random.Shuffle(of_batch);
      lengths.insert(lengths.end(), of_batch.begin(), of_batch.end());
    }
    TrainingOptions options{.max_epochs = 1, .mini_batch_size = 8, .shuffle = Shuffle::kNever};
    std::vector<int64_t> bytes;
    bytes.reserve(12);
    options.on_iteration = [&](const ProgressRow&) { bytes.push_back(allocated_bytes); };
    TrainNetwork(FromSequences(RowData(96, false, 1, lengths)), RowGraph(norm.make), options);
    ASSERT_EQ(bytes.size(), 12u);
    EXPECT_GT(bytes[0], 0);
    // Scratch of a leaf's pieces grows with the longest leaf so far.
    for (size_t i = 3; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], bytes[2]) << norm.name << i;
  }
  SetNumThreads(0);
}

}  // namespace
}  // namespace normkit
