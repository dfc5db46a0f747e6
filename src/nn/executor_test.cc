#include "normkit/nn/executor.h"

#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "normkit/nn/layers.h"

namespace normkit {
namespace {

Graph SmallNetwork() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {9, 7, 3}}));
  graph.Add(Convolution2d(
      {.filter_size = {3, 3}, .num_filters = 8, .padding = Padding::Same(), .bias = false}));
  graph.Add(BatchNormalization());
  graph.Add(Relu());
  return graph;
}

TEST(ExecutorTest, Smoke) {
  const Graph graph = SmallNetwork();
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, 5, true);
  Random random(1);
  for (float& x : executor.input()) x = static_cast<float>(random.Normal());
  const RunMode mode{.training = true, .update_statistics = true};
  const auto y = executor.Forward(parameters, mode);
  EXPECT_EQ(y.size(), 5u * 9 * 7 * 8);
  std::vector<float> dy(y.begin(), y.end());
  EXPECT_EQ(executor.BatchStatistics(2).count, 5 * 9 * 7);
  executor.Backward(parameters, dy, graph.output(), mode, gradients);
  for (const float g : gradients.Get(*gradients.Find("conv_1.weights"))) EXPECT_NE(g, 0);
}

}  // namespace
}  // namespace normkit
