// Sequences of different lengths, and networks of layers that work row by row.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>

#include "src/train/test_data.h"

namespace normkit {

using Indices = std::vector<int64_t>;
using Norm = std::function<LayerPtr()>;

inline constexpr int64_t kFeatures = 5;

// Sequences of 1 to 9 rows unless `lengths` says so. A row's class, or its two targets, follow from
// that row.
inline Sequences RowData(int64_t count, bool regression = false, uint64_t seed = 1,
                         const Indices& lengths = {}) {
  Sequences s{.layout = Layout::Make("TC", Indices{1, kFeatures}),
              .answers_each_row = true,
              .description = "rows"};
  Random random(seed, 7);
  for (int64_t i = 0; i < count; ++i) {
    s.lengths.push_back(lengths.empty() ? 1 + random.Below(9)
                                        : lengths[static_cast<size_t>(i) % lengths.size()]);
    for (int64_t row = 0; row < s.lengths.back(); ++row) {
      double x[kFeatures];
      for (double& value : x) s.x.push_back(static_cast<float>(value = 3 + 2 * random.Normal()));
      if (regression) {
        s.targets.push_back(static_cast<float>(x[0] - x[1]));
        s.targets.push_back(static_cast<float>(std::abs(x[2] - 3)));
      } else {
        s.labels.push_back(x[0] > x[1] ? 0 : x[2] > 3 ? 1 : 2);
      }
    }
  }
  if (regression)
    s.target_size = 2;
  else
    s.classes = {"first", "high", "low"};
  return s;
}

// The same with a class, or targets, for each sequence: what most of its rows have, or their mean.
inline Sequences WithOneAnswer(Sequences s) {
  const Sequences rows = std::move(s);
  s = rows;
  s.answers_each_row = false;
  s.labels.clear(), s.targets.clear();
  const auto width = static_cast<size_t>(s.target_size);
  size_t row = 0;
  for (const int64_t length : s.lengths) {
    std::vector<int64_t> counts(s.classes.size());
    std::vector<double> sums(width);
    for (int64_t i = 0; i < length; ++i, ++row) {
      if (width == 0) ++counts[static_cast<size_t>(rows.labels[row])];
      for (size_t k = 0; k < width; ++k) sums[k] += rows.targets[row * width + k];
    }
    if (width == 0) s.labels.push_back(std::ranges::max_element(counts) - counts.begin());
    for (const double sum : sums)
      s.targets.push_back(static_cast<float>(sum / static_cast<double>(length)));
  }
  return s;
}

inline DataPtr Rows(int64_t count, uint64_t seed = 1) {
  return FromSequences(RowData(count, false, seed));
}

// All that adds up over rows, and an addition that runs with its norm.
enum class Answers { kRows, kMean, kLast };
inline Graph RowGraph(const Norm& norm, bool regression = false, double dropped = 0.2,
                      Answers answers = Answers::kRows) {
  Graph graph;
  graph.Add(
      SequenceInput({.num_features = kFeatures, .normalization = InputNormalization::kZscore}));
  const Value first = graph.Add(FullyConnected({.output_size = 24}));
  graph.Add(norm());
  graph.Add(Relu());
  if (dropped > 0) graph.Add(Dropout({.probability = dropped}));
  graph.Add(FullyConnected({.output_size = 24}));
  const Value second = graph.Add(norm());
  graph.Add(Addition(), {second, first});
  graph.Add(Relu());
  if (answers == Answers::kMean) graph.Add(GlobalAveragePooling1d());
  if (answers == Answers::kLast) graph.Add(LastStep());
  if (answers != Answers::kRows) graph.Add(norm());
  graph.Add(FullyConnected({.output_size = regression ? 2 : 3}));
  if (!regression) graph.Add(Softmax());
  return graph;
}

// Pictures of each step of the task "moving", or of others of one channel.
inline Graph PictureGraph(const Norm& norm, int64_t height, int64_t width) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = 1,
                           .height = height,
                           .width = width,
                           .normalization = InputNormalization::kZscore}));
  graph.Add(Convolution2d({.filter_size = {3}, .num_filters = 6}));
  graph.Add(norm());
  graph.Add(Relu());
  graph.Add(MaxPooling2d({.pool_size = {2}, .stride = {2}, .padding = Padding::Same()}));
  graph.Add(Convolution2d({.filter_size = {2}, .num_filters = 5}));
  graph.Add(norm());
  graph.Add(GlobalAveragePooling2d());
  graph.Add(Flatten());
  graph.Add(Lstm({.num_hidden_units = 7, .output_mode = OutputMode::kLast}));
  graph.Add(FullyConnected({.output_size = 4}));
  graph.Add(Softmax());
  return graph;
}

// An encoder: attention and what tells steps apart, norms before and behind, windows over time.
inline Graph EncoderGraph() {
  Graph graph;
  graph.Add(SequenceInput({.num_features = kFeatures}));
  graph.Add(FullyConnected({.output_size = 12}));
  Value x = graph.Add(SinusoidalPositionEncoding());
  x = graph.Add(PositionEmbedding({.max_position = 400}), {x});
  graph.Add(LayerNormalization({.operation_dimension = OperationDimension::kAuto}), {x});
  const Value seen = graph.Add(SelfAttention({.num_heads = 3, .num_key_channels = 6}));
  x = graph.Add(Addition(), {x, seen});
  graph.Add(FullyConnected({.output_size = 24}), {x});
  graph.Add(Gelu());
  graph.Add(Dropout({.probability = 0.1}));
  const Value mapped = graph.Add(FullyConnected({.output_size = 12}));
  x = graph.Add(Addition(), {x, mapped});
  graph.Add(LayerNormalization(), {x});
  graph.Add(Convolution1d({.filter_size = 3, .num_filters = 10, .padding = Padding::Causal()}));
  graph.Add(InstanceNormalization());
  graph.Add(SelfAttention(
      {.num_heads = 2, .num_key_channels = 4, .attention_mask = AttentionMask::kCausal}));
  graph.Add(MaxPooling1d({.pool_size = 2}));
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

struct NamedNorm {
  const char* name;
  Norm make;
};
inline const NamedNorm kNorms[] = {
    {"batch", [] { return BatchNormalization(); }},
    {"layer",
     [] { return LayerNormalization({.operation_dimension = OperationDimension::kChannelOnly}); }},
    {"auto", [] { return LayerNormalization({.operation_dimension = OperationDimension::kAuto}); }},
    {"rms", [] { return RmsNormalization(); }},
    {"whole", [] { return LayerNormalization(); }},
    {"group", [] { return GroupNormalization({.num_groups = 4}); }},
    {"trained", [] {
       return BatchNormalization({.trained_mean = std::vector<float>(24, .1f),
                                  .trained_variance = std::vector<float>(24, 2),
                                  .use_trained_statistics = true});
     }}};

}  // namespace normkit
