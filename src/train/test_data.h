// Small data and networks for the tests of training.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/nn/layers.h"
#include "normkit/nn/network.h"
#include "normkit/train/train.h"

namespace normkit {

// Noisy 8x8 grey images of three classes: a bright row, a bright column, neither.
inline DataPtr StripeData(int64_t count, uint64_t seed = 1) {
  std::vector<float> x;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    Random random(seed, static_cast<uint64_t>(i));
    const int64_t label = i % 3, place = random.Below(8);
    for (int64_t p = 0; p < 64; ++p) {
      const bool bright = (label == 0 && p / 8 == place) || (label == 1 && p % 8 == place);
      x.push_back(static_cast<float>((bright ? 200 : 60) + 20 * random.Normal()));
    }
    labels.push_back(label);
  }
  return FromArrays(Layout::Make("BSSC", std::vector<int64_t>{1, 8, 8, 1}), std::move(x),
                    std::move(labels), {"row", "column", "none"},
                    "stripes (" + std::to_string(count) + ", seed " + std::to_string(seed) + ")");
}

// Convolution, batch normalization, ReLU, dropout: all that training treats specially.
inline Graph StripeGraph() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 8, .padding = Padding::Same()}));
  graph.Add(BatchNormalization({.name = "bn"}));
  graph.Add(Relu());
  graph.Add(MaxPooling2d({.pool_size = {2, 2}, .stride = {2, 2}}));
  graph.Add(Dropout({.probability = 0.1}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

// A run that is stopped after iteration `last` and leaves its checkpoint at `path`; whether it was.
[[nodiscard]] inline bool StopAfter(int64_t last, const std::string& path, TrainingOptions options,
                                    const DataPtr& data, const Graph& graph) {
  std::atomic<bool> stop = false;
  options.stop = &stop;
  options.checkpoint_path = path;
  options.on_iteration = [&](const ProgressRow& row) { stop = row.iteration == last; };
  return TrainNetwork(data, graph, options).stopped;
}

inline std::vector<float> ValuesOf(const Network& network) {
  const auto values = network.parameters.values();
  return {values.begin(), values.end()};
}

}  // namespace normkit
