// Data, network and loss that do not fit each other.
#include "src/train/objective.h"

#include <gtest/gtest.h>

#include "src/core/testing.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

// What the network ends in besides its input of 8x8 images.
Graph Ending(const std::vector<LayerPtr>& layers) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Flatten());
  for (const LayerPtr& layer : layers) graph.Add(layer);
  return graph;
}

DataPtr Targets(int64_t each) {
  return FromArraysRegression(Layout::Make("BSSC", std::vector<int64_t>{1, 8, 8, 1}),
                              std::vector<float>(128), std::vector<float>(2 * each), each, "pairs");
}

TEST(ObjectiveTest, WhatDoesNotFitIsNamed) {
  const DataPtr stripes = StripeData(9);
  const LayerPtr three = FullyConnected({.name = "fc", .output_size = 3});
  const Graph scores = Ending({three}), classes = Ending({three, Softmax("s")});
  const auto message = [](const Graph& graph, const DataPtr& data, Loss loss) {
    return ErrorOf([&] { Objective(graph, *data, {.loss = loss}); });
  };
  Graph other;
  other.Add(FeatureInput({.num_features = 64}));
  EXPECT_EQ(message(other, stripes, Loss::kAuto),
            "data 'stripes (9, seed 1)': observations are BSSC [1,8,8,1], expected BC [1,64] (what "
            "the network's input layer takes)");
  EXPECT_EQ(message(scores, stripes, Loss::kAuto),
            "data 'stripes (9, seed 1)': classes to tell apart, expected targets (the loss is "
            "mean-squared-error)");
  EXPECT_EQ(message(classes, Targets(3), Loss::kAuto),
            "data 'pairs': targets to predict, expected classes (the loss is cross-entropy)");
  EXPECT_EQ(message(scores, stripes, Loss::kCrossEntropy),
            "loss cross-entropy: the network ends in fully connected 'fc', expected softmax");
  EXPECT_EQ(message(scores, Targets(2), Loss::kAuto),
            "data 'pairs': 2 target values, expected 3 (what the network gives)");
  const Graph two = Ending({FullyConnected({.output_size = 2}), Softmax()});
  EXPECT_EQ(message(two, stripes, Loss::kAuto),
            "data 'stripes (9, seed 1)': 3 classes, expected 2 (what the network gives)");
  EXPECT_EQ(message(scores, Targets(3), Loss::kAuto), "no error");
  EXPECT_EQ(message(classes, stripes, Loss::kAuto), "no error");
}

}  // namespace
}  // namespace normkit
