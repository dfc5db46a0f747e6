// Networks of as many layers as a file may have. What takes the square of their number shows as the
// time of this test: all of it is a second or two.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "normkit/graph/executor.h"
#include "normkit/nn/batch_statistics.h"
#include "normkit/nn/layers.h"
#include "normkit/nn/networks.h"
#include "src/graph/memory.h"

namespace normkit {
namespace {

constexpr int kLayers = 1 << 14;

TEST(LargeGraphTest, UnnamedLayersAreCounted) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 2}));
  graph.Add(Relu("relu_2"));
  graph.Add(Relu("relu_5"));
  while (graph.num_layers() < kLayers) {
    graph.Add(Relu());
    graph.Add(Tanh());
  }
  EXPECT_EQ(graph.layer(3).layer->name(), "relu_1");
  EXPECT_EQ(graph.layer(4).layer->name(), "tanh_1");
  EXPECT_EQ(graph.layer(5).layer->name(), "relu_3");
  EXPECT_EQ(graph.layer(9).layer->name(), "relu_6");
  for (int layer = 0; layer < graph.num_layers(); ++layer)
    ASSERT_EQ(graph.Find(graph.layer(layer).layer->name()), layer);
  EXPECT_EQ(graph.Find("relu_0"), -1);
  const Graph copy = graph;
  EXPECT_EQ(copy.Find("relu_6"), 9);
  EXPECT_EQ(graph.Infer(3).types.back().shape.ToString(), "BC [3,2]");
}

// A layer that is refused takes no name with it.
TEST(LargeGraphTest, RefusedLayersLeaveNoNames) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 2}));
  EXPECT_ANY_THROW(graph.Add(Flatten()));
  EXPECT_ANY_THROW(graph.Add(InstanceNormalization({.name = "n"})));
  EXPECT_EQ(graph.Find("flatten_1"), -1);
  EXPECT_EQ(graph.Find("n"), -1);
  EXPECT_EQ(graph.num_layers(), 1);
  EXPECT_EQ(graph.values().size(), 1u);
  EXPECT_TRUE(graph.parameters().empty());
}

// 10,000 layers: norm, ReLU, tanh and, with names, additions, over and over.
std::string LongestFile() {
  std::string text = R"({"layers": [{"type": "feature_input", "num_features": 4},
                                    {"type": "relu", "name": "sum0"})";
  for (int layers = 2, block = 1; layers + 4 <= 10'000; layers += 4, ++block)
    text +=
        fmt::format(R"(, {{"type": "batch_normalization", "name": "norm{0}"}}, {{"type": "relu"}},
        {{"type": "tanh", "name": "tanh{0}"}},
        {{"type": "addition", "name": "sum{0}", "inputs": ["tanh{0}", "sum{1}"]}})",
                    block, block - 1);
  return text + "]}";
}

TEST(LargeGraphTest, TheLongestFileIsReadAndRun) {
  const Graph graph = ParseNetworkJson(LongestFile(), "net.json");
  ASSERT_GT(graph.num_layers(), 9'990);
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  for (const Parameter& parameter : parameters.list()) {
    ASSERT_EQ(parameters.Find(parameter.name), &parameter);
    ASSERT_EQ(graph.layer(parameter.layer).parameters.size(), 4u);
  }
  EXPECT_EQ(parameters.Find("norm1"), nullptr);
  EXPECT_NE(parameters.Clone().Find("norm1.scale"), nullptr);

  Executor executor(graph, 3, true);
  for (float& x : executor.input()) x = static_cast<float>(&x - executor.input().data());
  const RunContext mode{.training = true};
  executor.Forward(parameters, mode);
  MoveStatistics(graph, executor, parameters);
  EXPECT_EQ(BatchStatistics(graph, executor, graph.Find("norm2000")).count, 3);
  EXPECT_EQ(BatchStatistics(graph, executor, graph.Find("tanh2000")).count, 0);
  EXPECT_EQ(BatchStatistics(graph, executor, -1).count, 0);
  executor.Backward(parameters, std::vector<float>(12, 1.f), graph.output(), mode, gradients);
  const Parameter& last = gradients.list()[gradients.list().size() - 3];
  EXPECT_NE(gradients.Get(last)[0], 0) << last.name;
  EXPECT_EQ(Executor(graph, 3, false).Forward(parameters, {}).size(), 12u);
}

// That many, with lives of each kind: long ones inside each other, short ones in a row.
std::vector<Block> Blocks(int count) {
  std::vector<Block> blocks;
  Random random(3);
  for (int i = 0; i < count; ++i) {
    const auto bytes = static_cast<size_t>(1 + random.Below(1000));
    const int length = static_cast<int>(random.Below(i % 7 == 0 ? count : 5));
    blocks.push_back({bytes, i, i + length});
  }
  return blocks;
}

size_t MostAtOnce(const std::vector<Block>& blocks) {
  std::vector<int64_t> change(2 * blocks.size() + 2);
  for (const Block& block : blocks) {
    change[static_cast<size_t>(block.first)] += (static_cast<int64_t>(block.bytes) + 63) / 64 * 64;
    change[static_cast<size_t>(block.last) + 1] -=
        (static_cast<int64_t>(block.bytes) + 63) / 64 * 64;
  }
  std::partial_sum(change.begin(), change.end(), change.begin());
  return static_cast<size_t>(*std::ranges::max_element(change));
}

TEST(LargeGraphTest, BlocksThatLiveTogetherLieApart) {
  for (const int count : {0, 1, 50, 1000, 5000}) {  // the last by time, the others by size
    std::vector<Block> blocks = Blocks(count);
    const size_t bytes = PlaceBlocks(blocks);
    std::ranges::sort(blocks, {}, &Block::offset);
    for (size_t a = 0; a < blocks.size(); ++a) {
      EXPECT_EQ(blocks[a].offset % 64, 0u);
      ASSERT_LE(blocks[a].offset + blocks[a].bytes, bytes);
      for (size_t b = a + 1; b < blocks.size(); ++b) {
        if (blocks[b].offset >= blocks[a].offset + blocks[a].bytes) break;
        ASSERT_TRUE(blocks[a].last < blocks[b].first || blocks[b].last < blocks[a].first);
      }
    }
    if (count == 0) continue;
    EXPECT_LE(static_cast<double>(bytes), 1.3 * static_cast<double>(MostAtOnce(blocks))) << count;
  }
}

TEST(LargeGraphTest, ChainsOfManyLayersTakeTwoBlocks) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 16}));
  while (graph.num_layers() < 8'000) graph.Add(FullyConnected({.output_size = 16, .bias = false}));
  const Executor executor(graph, 4, false);
  EXPECT_LE(executor.arena_bytes(), 4u * 16 * 16 * sizeof(float));
}

}  // namespace
}  // namespace normkit
