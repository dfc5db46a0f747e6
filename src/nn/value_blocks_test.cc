#include "src/graph/value_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "normkit/nn/layers.h"

namespace normkit {
namespace {

struct Placed {
  Steps steps;
  std::vector<Block> blocks;
  ValueBlocks of;

  int value(Value v) const { return of.value[static_cast<size_t>(v)]; }
  int gradient(Value v) const { return of.gradient[static_cast<size_t>(v)]; }
};

Placed Place(const Graph& graph, bool training, bool keep_all = false) {
  const Graph::Types types = graph.Infer(4);
  const std::vector<char> wanted(graph.values().size(), 0);
  Placed placed{MakeSteps(graph, types, {.training = training}, !keep_all, wanted), {}, {}};
  std::vector<size_t> bytes;
  for (const ArrayType& type : types.types) bytes.push_back(type.bytes());
  placed.of =
      MakeValueBlocks(graph, placed.steps, bytes, training, wanted, !keep_all, placed.blocks);
  return placed;
}

// conv -> norm -> relu -> conv -> norm -> (+ what the first convolution gave) -> relu -> conv
struct Residual {
  Graph graph;
  Value input, shortcut, norm1, relu1, conv2, norm2, sum, relu2, last;

  Residual() {
    input = graph.Add(ImageInput({.input_size = {6, 6, 4}}));
    shortcut = Convolution();
    norm1 = graph.Add(BatchNormalization());
    relu1 = graph.Add(Relu());
    conv2 = Convolution();
    norm2 = graph.Add(BatchNormalization());
    sum = graph.Add(Addition(), {norm2, shortcut});
    relu2 = graph.Add(Relu());
    last = Convolution();
  }

 private:
  Value Convolution() {
    return graph.Add(Convolution2d({.filter_size = {1, 1}, .num_filters = 4}));
  }
};

TEST(ValueBlocksTest, GradientsOfASumLieOverIts) {
  const Residual net;
  const Placed p = Place(net.graph, true);
  EXPECT_EQ(p.gradient(net.sum), kMissing);  // one step with its ReLU and the norm
  EXPECT_EQ(p.gradient(net.norm2), kMissing);
  EXPECT_EQ(p.gradient(net.shortcut), p.gradient(net.relu2));
  // The shortcut's gradient is still in there when that of conv2 is made.
  EXPECT_NE(p.gradient(net.conv2), p.gradient(net.relu2));
  EXPECT_NE(p.gradient(net.relu1), p.gradient(net.conv2));  // a convolution is not in place
  const Block& block = p.blocks[static_cast<size_t>(p.gradient(net.relu2))];
  const Times times{static_cast<int>(p.steps.list.size())};
  const auto step = [&](Value v) { return p.steps.of_value[static_cast<size_t>(v)]; };
  EXPECT_EQ(block.first, times.Backward(step(net.last)));
  EXPECT_EQ(block.last, times.Backward(step(net.shortcut)));
}

TEST(ValueBlocksTest, InferenceOverwritesWhatIsReadNoMore) {
  const Residual net;
  const Placed p = Place(net.graph, false);
  EXPECT_EQ(p.value(net.relu1), p.value(net.shortcut) + 1);  // the shortcut is read again
  EXPECT_EQ(p.value(net.norm2), kMissing);
  EXPECT_EQ(p.value(net.relu2), p.value(net.conv2));
  EXPECT_NE(p.value(net.last), p.value(net.relu2));
  for (const int gradient : p.of.gradient) EXPECT_EQ(gradient, kMissing);
}

TEST(ValueBlocksTest, TrainingKeepsWhatBackwardReads) {
  const Residual net;
  const Placed p = Place(net.graph, true);
  EXPECT_NE(p.value(net.relu2), p.value(net.conv2));  // normalizations read their input again
  EXPECT_NE(p.value(net.relu1), p.value(net.shortcut));
}

TEST(ValueBlocksTest, KeepAllSharesNothing) {
  const Residual net;
  const Placed p = Place(net.graph, true, true);
  std::vector<int> all;
  for (Value v = 0; v < std::ssize(net.graph.values()); ++v) {
    if (net.graph.value(v).parameter >= 0) continue;
    all.push_back(p.value(v));
    if (p.steps.HasGradient(v)) all.push_back(p.gradient(v));
    EXPECT_TRUE(p.of.kept[static_cast<size_t>(v)]);
  }
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

}  // namespace
}  // namespace normkit
