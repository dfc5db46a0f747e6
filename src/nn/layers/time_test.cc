// Layers over time: each observation of an uneven mini-batch gets what it gets alone, to the bit,
// forward and backward, on any number of threads.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/graph/executor.h"
#include "normkit/graph/graph.h"
#include "normkit/nn/layers.h"
#include "src/core/testing.h"
#include "src/graph/plan.h"
#include "src/ops/time_ops.h"

namespace normkit {
namespace {

using Indices = std::vector<int64_t>;
using Values = std::vector<float>;

// The arrays that come out of one pass forward and backward.
struct Passed {
  Layout layout;  // of y
  Values y;
  std::vector<Values> dx;  // of each input
  Values dparameters;
};

// One layer of one operation, on observations of these lengths. Input i is x (1 + i / 2). dy
// follows from the place in the observation, so that it is the same alone.
class TimeRun {
 public:
  TimeRun(const LayerPtr& layer, const Layout& step, size_t inputs) : step_(step), inputs_(inputs) {
    std::vector<Value> reads;
    for (size_t i = 0; i < inputs; ++i) reads.push_back(graph_.AddInput({DType::kF32, step}));
    graph_.Add(layer, reads);
  }

  Passed Pass(const Values& x, const Indices& lengths) const {
    Indices offsets{0};
    for (const int64_t length : lengths) offsets.push_back(offsets.back() + length);
    const BatchPart part{.whole = std::ssize(lengths)};
    const TimeCut time(part, offsets);
    const std::vector<Layout> layouts(inputs_, step_.WithBatch(offsets.back()));
    const Graph::Types types = graph_.Infer(layouts, part.rows());
    const Node& node = graph_.nodes().back();
    std::vector<OpInput> inputs;
    for (const Value value : node.inputs) inputs.push_back(types[value]);
    const auto kernel = node.op->Prepare(inputs, {true, part, &time.time()});

    std::vector<Values> parameters, xs(inputs_, x);
    std::vector<const void*> arrays;
    for (size_t i = 0; i < inputs_; ++i) {
      for (float& value : xs[i]) value *= 1 + static_cast<float>(i) / 2;
      arrays.push_back(xs[i].data());
    }
    Random random(11);
    for (size_t i = inputs_; i < inputs.size(); ++i) {
      Values& values = parameters.emplace_back(static_cast<size_t>(inputs[i].type.shape.size()));
      for (float& value : values) value = static_cast<float>(random.Uniform(-1, 1));
    }
    for (const Values& values : parameters) arrays.push_back(values.data());

    Passed out{types[node.outputs[0]].type.shape, {}, {inputs_, Values(x.size(), kNaN)}, {}};
    std::vector<Values> outputs;
    std::vector<void*> y;
    for (const Value value : node.outputs)
      y.push_back(outputs.emplace_back(types[value].type.bytes() / sizeof(float), kNaN).data());
    Tensor saved = Bytes(kernel->saved_bytes()),
           scratch =
               Bytes(std::max(kernel->forward_scratch_bytes(), kernel->backward_scratch_bytes()));
    ForwardContext forward;
    forward.run = {.training = true, .dropout = false};
    forward.inputs = arrays;
    forward.outputs = y;
    forward.saved = static_cast<std::byte*>(saved.data());
    forward.scratch = static_cast<std::byte*>(scratch.data());
    kernel->Forward(forward);
    out.y = outputs[0];

    const Values dy = Weights(out, offsets);
    std::vector<Values> gradients;
    std::vector<float*> dinputs;
    for (Values& dx : out.dx) dinputs.push_back(dx.data());
    for (const Values& values : parameters) gradients.emplace_back(values.size(), kNaN);
    for (Values& values : gradients) dinputs.push_back(values.data());
    std::vector<const float*> doutputs(y.size());
    doutputs[0] = dy.data();
    const auto add = std::make_unique<bool[]>(arrays.size());
    BackwardContext backward;
    backward.run = forward.run;
    backward.inputs = arrays;
    std::vector<const void*> gave(y.begin(), y.end());
    backward.outputs = gave;
    backward.doutputs = doutputs;
    backward.dinputs = dinputs;
    backward.add = {add.get(), arrays.size()};
    backward.saved = forward.saved;
    backward.scratch = forward.scratch;
    kernel->Backward(backward);
    for (const Values& values : gradients)
      out.dparameters.insert(out.dparameters.end(), values.begin(), values.end());
    return out;
  }

 private:
  static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

  static Tensor Bytes(size_t count) {
    return Tensor(Layout({{kC, static_cast<int64_t>(count)}}), DType::kU8);
  }

  // Alike in each observation: by the place in it.
  static Values Weights(const Passed& out, const Indices& offsets) {
    Values dy;
    const auto observations = static_cast<int64_t>(offsets.size()) - 1;
    const int64_t rows = out.layout.axes()[0].size,
                  width = out.layout.size() / std::max<int64_t>(1, rows);
    for (int64_t i = 0; i < observations; ++i) {
      const auto k = static_cast<size_t>(i);
      const int64_t own = rows == observations ? 1 : offsets[k + 1] - offsets[k];
      for (int64_t place = 0; place < own * width; ++place)
        dy.push_back(static_cast<float>((place * 7919) % 101) / 50 - 1);
    }
    dy.resize(out.y.size());
    return dy;
  }

  Layout step_;
  size_t inputs_;
  Graph graph_;
};

// An operation alone.
class OnlyOp : public Layer {
 public:
  explicit OnlyOp(std::shared_ptr<const Op> op) : Layer(""), op_(std::move(op)) {}
  std::string_view type() const override { return op_->name(); }
  std::string_view short_name() const override { return "op"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override {
    return graph.AddNode(op_, {inputs.begin(), inputs.end()});
  }

 private:
  std::shared_ptr<const Op> op_;
};

struct TimeCase {
  std::string name;
  std::function<LayerPtr()> make;
  size_t inputs = 1;
};

std::vector<TimeCase> Norms() {
  std::vector<TimeCase> cases;
  for (const auto dimension :
       {OperationDimension::kBatchExcluded, OperationDimension::kAuto,
        OperationDimension::kChannelOnly, OperationDimension::kSpatialChannel})
    cases.push_back({"layer " + std::string(Name(dimension)), [dimension] {
                       return LayerNormalization({.operation_dimension = dimension});
                     }});
  cases.push_back({"instance", [] { return InstanceNormalization(); }});
  cases.push_back({"group", [] { return GroupNormalization({.num_groups = 3}); }});
  cases.push_back(
      {"group of all", [] { return GroupNormalization({.num_groups = kAllChannels}); }});
  cases.push_back({"group RMS", [] { return GroupRmsNormalization({.num_groups = 3}); }});
  cases.push_back({"rms", [] { return RmsNormalization(); }});
  return cases;
}

// Of features.
std::vector<TimeCase> Layers() {
  return {
      {"fully connected", [] { return FullyConnected({.output_size = 7}); }},
      {"tanh", [] { return Tanh(); }},
      {"softmax", [] { return Softmax(); }},
      {"convolution", [] { return Convolution1d({.filter_size = 4, .num_filters = 50}); }},
      {"causal convolution",
       [] {
         return Convolution1d({.filter_size = 3,
                               .num_filters = 5,
                               .dilation = 4,
                               .padding = Padding::Causal(),
                               .bias = false});
       }},
      {"convolution in groups",
       [] { return Convolution1d({.filter_size = 3, .num_filters = 9, .num_groups = 3}); }},
      {"max pooling", [] { return MaxPooling1d({.pool_size = 3}); }},
      {"average pooling",
       [] { return AveragePooling1d({.pool_size = 4, .padding = Padding::Causal()}); }},
      {"global max pooling", [] { return GlobalMaxPooling1d(); }},
      {"global average pooling", [] { return GlobalAveragePooling1d(); }},
      {"last step", [] { return LastStep(); }},
      {"attention",
       [] {
         return std::make_shared<OnlyOp>(ops::Attention({3, false}));
       },
       3},
      {"causal attention",
       [] {
         return std::make_shared<OnlyOp>(ops::Attention({2, true}));
       },
       3},
      {"positions", [] { return PositionEmbedding({.max_position = 1000}); }},
      {"waves", [] { return SinusoidalPositionEncoding(); }},
  };
}

// Over the space of each step.
std::vector<TimeCase> PictureLayers() {
  return {
      {"convolution",
       [] {
         return Convolution2d({.filter_size = {3, 2}, .num_filters = 20});
       }},
      {"convolution with strides",
       [] {
         return Convolution2d({.filter_size = {3},
                               .num_filters = 8,
                               .stride = {2, 1},
                               .dilation = {1, 2},
                               .padding = {false, 2, 1, 0, 3},
                               .num_groups = 2,
                               .bias = false});
       }},
      {"max pooling",
       [] { return MaxPooling2d({.pool_size = {2}, .stride = {2}, .padding = Padding::Same()}); }},
      {"average pooling",
       [] {
         return AveragePooling2d({.pool_size = {3, 2}, .stride = {1, 2}});
       }},
      {"global average pooling", [] { return GlobalAveragePooling2d(); }},
      {"flatten", [] { return Flatten(); }},
      {"ReLU", [] { return Relu(); }},
  };
}

// As the toolbox calls them: CBT, SCBT, SSCBT, SSSCBT.
std::vector<Layout> StepsOfTime() {
  return {Layout::Make("TC", Indices{1, 6}), Layout::Make("TSC", Indices{1, 5, 6}),
          Layout::Make("TSSC", Indices{1, 3, 4, 6}), Layout::Make("TSSSC", Indices{1, 2, 3, 2, 6})};
}

Values NormalValues(size_t size, uint64_t seed) {
  Values x(size);
  Random random(seed);
  for (float& value : x) value = static_cast<float>(2 + 3 * random.Normal());
  return x;
}

void ExpectAsAlone(const TimeCase& test, const Layout& step, const Indices& lengths) {
  SCOPED_TRACE(test.name + " of " + step.ToString());
  const TimeRun run(test.make(), step, test.inputs);
  const int64_t width = step.size();
  int64_t rows = 0;
  for (const int64_t length : lengths) rows += length;
  const Values x = NormalValues(static_cast<size_t>(rows * width), 5);
  const Passed all = run.Pass(x, lengths);
  size_t at = 0, y_at = 0;
  for (const int64_t length : lengths) {
    const auto size = static_cast<size_t>(length * width);
    const auto begin = x.begin() + static_cast<ptrdiff_t>(at);
    const Passed alone = run.Pass(Values(begin, begin + static_cast<ptrdiff_t>(size)), {length});
    ASSERT_EQ(std::count_if(alone.y.begin(), alone.y.end(), [](float v) { return v != v; }), 0);
    EXPECT_TRUE(
        std::equal(alone.y.begin(), alone.y.end(), all.y.begin() + static_cast<ptrdiff_t>(y_at)))
        << "y, length " << length;
    for (size_t i = 0; i < test.inputs; ++i)
      EXPECT_TRUE(std::equal(alone.dx[i].begin(), alone.dx[i].end(),
                             all.dx[i].begin() + static_cast<ptrdiff_t>(at)))
          << "dx " << i << ", length " << length;
    at += size;
    y_at += alone.y.size();
  }
  EXPECT_EQ(y_at, all.y.size());
  for (const int threads : {1, 2, 5}) {
    SetNumThreads(threads);
    const Passed again = run.Pass(x, lengths);
    EXPECT_TRUE(again.y == all.y && again.dx == all.dx && again.dparameters == all.dparameters)
        << threads << " threads";
  }
  SetNumThreads(0);
}

TEST(LayersOverTime, NormalizationsGiveWhatObservationsGetAlone) {
  for (const TimeCase& test : Norms())
    for (const Layout& step : StepsOfTime())
      for (const Indices& lengths :
           {Indices{4}, Indices{3, 1, 7, 2, 2, 5, 16, 1, 33}, Indices{300, 2, 64, 1000, 17}})
        ExpectAsAlone(test, step, lengths);
}

TEST(LayersOverTime, LayersGiveWhatObservationsGetAlone) {
  for (const TimeCase& test : Layers())
    for (const Indices& lengths :
         {Indices{4}, Indices{3, 1, 7, 2, 2, 5, 16, 1, 33}, Indices{300, 2, 64, 1000, 17}})
      ExpectAsAlone(test, Layout::Make("TC", Indices{1, 6}), lengths);
}

TEST(LayersOverTime, LayersOfPicturesGiveWhatObservationsGetAlone) {
  for (const TimeCase& test : PictureLayers())
    for (const Indices& lengths : {Indices{4}, Indices{3, 1, 7, 2, 2, 5, 16, 1, 33}})
      ExpectAsAlone(test, Layout::Make("TSSC", Indices{1, 5, 7, 4}), lengths);
  const TimeCase lines{"lines", [] { return Convolution({.filter_size = {3}, .num_filters = 5}); }},
      volumes{"volumes", [] { return Convolution3d({.filter_size = {2}, .num_filters = 5}); }};
  ExpectAsAlone(lines, Layout::Make("TSC", Indices{1, 5, 4}), {3, 1, 7});
  ExpectAsAlone(volumes, Layout::Make("TSSSC", Indices{1, 3, 4, 2, 4}), {3, 1, 7});
}

// A step is a picture: what a layer of pictures gives for it.
TEST(LayersOverTime, ConvolutionOfStepsIsThatOfPictures) {
  const LayerPtr layer = Convolution2d(
      {.filter_size = {3, 3}, .num_filters = 5, .stride = {2, 1}, .padding = Padding::Same()});
  const TimeRun steps(layer, Layout::Make("TSSC", Indices{1, 6, 7, 3}), 1),
      pictures(layer, Layout::Make("BSSC", Indices{1, 6, 7, 3}), 1);
  const Values x = NormalValues(6 * 6 * 7 * 3, 4);
  const Passed of_steps = steps.Pass(x, {4, 2}), of_pictures = pictures.Pass(x, Indices(6, 1));
  for (size_t i = 0; i < of_steps.y.size(); ++i)
    ASSERT_NEAR(of_steps.y[i], of_pictures.y[i], 1e-4) << i;
}

// What a convolution is, by its formula.
TEST(LayersOverTime, ConvolutionIsTheSumOfItsTaps) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = 2}));
  graph.Add(Convolution1d({.filter_size = 2, .num_filters = 1, .padding = Padding::Causal()}));
  Parameters parameters(graph);
  const Values weights{1, 10, 100, 1000};  // [1,2,2]: of channel 0, of channel 1
  std::ranges::copy(weights, parameters.Get(parameters.list()[0]).begin());
  parameters.Get(parameters.list()[1])[0] = 0.5f;
  Executor executor(graph);
  executor.SetBatch({.whole = 2}, Indices{0, 3, 5});
  const Values x{1, 2, 3, 4, 5, 6, 7, 8, 9, 1};
  std::ranges::copy(x, executor.input().begin());
  const std::span<const float> y = executor.Forward(parameters, {});
  EXPECT_EQ(Values(y.begin(), y.end()),
            (Values{10 * 1 + 1000 * 2 + .5f, 1 * 1 + 10 * 3 + 100 * 2 + 1000 * 4 + .5f,
                    1 * 3 + 10 * 5 + 100 * 4 + 1000 * 6 + .5f, 10 * 7 + 1000 * 8 + .5f,
                    1 * 7 + 10 * 9 + 100 * 8 + 1000 * 1 + .5f}));
}

// By its formula, in f64.
TEST(LayersOverTime, AttentionIsTheMeanOfValuesByScores) {
  const int64_t rows = 150, heads = 2, width = 4, all = heads * width;
  for (const bool causal : {false, true}) {
    const TimeRun run(std::make_shared<OnlyOp>(ops::Attention({heads, causal})),
                      Layout::Make("TC", Indices{1, all}), 3);
    const Values x = NormalValues(static_cast<size_t>(rows * all), 9);
    const Values y = run.Pass(x, {rows}).y;
    const auto at = [&](double by, int64_t row, int64_t c) {
      return by * x[static_cast<size_t>(row * all + c)];
    };
    for (int64_t row = 0; row < rows; row += 7)
      for (int64_t c = 0; c < all; ++c) {
        double sum = 0, mean = 0;
        for (int64_t key = 0; key < (causal ? row + 1 : rows); ++key) {
          double score = 0;
          for (int64_t k = c / width * width; k < (c / width + 1) * width; ++k)
            score += at(1, row, k) * at(1.5, key, k);
          const double weight = std::exp(score / 2 - 100);
          sum += weight;
          mean += weight * at(2, key, c);
        }
        EXPECT_NEAR(y[static_cast<size_t>(row * all + c)], mean / sum, 1e-4) << row << " " << c;
      }
  }
}

TEST(LayersOverTime, EmbeddingsAreRowsOfTheirTable) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = 1}));
  graph.Add(Embedding({.name = "words", .dimension = 3, .num_words = 5}));
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  const std::span<const float> table = parameters.values();
  Executor executor(graph, {.training = true});
  executor.SetBatch({.whole = 2}, Indices{0, 3, 4});
  const Values tokens{4, 0, 4, 2};
  std::ranges::copy(tokens, executor.input().begin());
  const std::span<const float> y = executor.Forward(parameters, {.training = true});
  for (size_t row = 0; row < 4; ++row)
    for (size_t c = 0; c < 3; ++c)
      EXPECT_EQ(y[row * 3 + c], table[static_cast<size_t>(tokens[row]) * 3 + c]);
  const Values dy{1, 2, 3, 4, 5, 6, 10, 20, 30, 7, 8, 9};
  executor.Backward(parameters, dy, graph.output(), {.training = true}, gradients);
  const Values expected{4, 5, 6, 0, 0, 0, 7, 8, 9, 0, 0, 0, 11, 22, 33};
  EXPECT_TRUE(std::ranges::equal(gradients.values().first(15), expected));
  for (const float token : {5.f, -1.f, 1.5f, std::numeric_limits<float>::quiet_NaN()}) {
    executor.input()[2] = token;
    EXPECT_ERROR(executor.Forward(parameters, {}),
                 fmt::format("embedding 'words': step 2 of the mini-batch is {}, expected a whole "
                             "number from 0 to 4",
                             token));
  }
}

TEST(LayersOverTime, WavesTellPlacesApart) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = 3}));
  graph.Add(SinusoidalPositionEncoding());
  Executor executor(graph);
  executor.SetBatch({.whole = 2}, Indices{0, 2, 5});
  std::ranges::fill(executor.input(), 0.f);
  const std::span<const float> y = executor.Forward(Parameters(graph), {});
  const int64_t places[] = {0, 1, 0, 1, 2};
  for (size_t row = 0; row < 5; ++row) {
    const auto t = static_cast<double>(places[row]);
    EXPECT_FLOAT_EQ(y[row * 3], static_cast<float>(std::sin(t)));
    EXPECT_FLOAT_EQ(y[row * 3 + 1], static_cast<float>(std::cos(t)));
    EXPECT_FLOAT_EQ(y[row * 3 + 2], static_cast<float>(std::sin(t * std::pow(1e4, -2 / 3.0))));
  }
}

TEST(LayersOverTime, WhatDoesNotFitIsNamed) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = 4}));
  EXPECT_ERROR(Convolution1d({.name = "c", .filter_size = 3, .num_filters = 1, .padding = {}}),
               "convolution 1-D 'c': padding is 0 and 0, expected same, causal, or numbers that "
               "add up to 2: sequences keep their lengths");
  EXPECT_ERROR(SequenceInput({.name = "s", .num_features = 1, .height = 3}),
               "sequence input 's': depth 0, height 3 and width 0 given, expected width alone "
               "(lines), height and width (pictures), or all (volumes)");
  EXPECT_ERROR(graph.Add(Flatten("f")),
               "flatten 'f': input is TC [1,4], expected images, BSSC "
               "[batch,height,width,channels]");
  EXPECT_ERROR(MaxPooling1d({.name = "p", .pool_size = 0}),
               "max pooling 1-D 'p': pool_size is 0, expected a whole number from 1 to 4096");
  EXPECT_ERROR(
      graph.Add(Convolution1d({.name = "c", .filter_size = 3, .num_filters = 6, .num_groups = 3})),
      "convolution 1-D 'c': num_groups is 3, expected a divisor of the 4 channels of x (TC "
      "[1,4])");
  EXPECT_ERROR(
      Convolution2d(
          {.name = "c", .filter_size = {3, 3}, .num_filters = 1, .padding = Padding::Causal()}),
      "convolution 2-D 'c': padding is causal, expected \"same\", a number or [top, "
      "bottom, left, right], each a whole number from 0 to 4096");
  EXPECT_ERROR(SelfAttention({.name = "a", .num_heads = 3, .num_key_channels = 4}),
               "self-attention 'a': num_key_channels is 4, expected a multiple of the 3 heads "
               "(num_heads)");
  EXPECT_ERROR(graph.Add(Embedding({.name = "e", .dimension = 2, .num_words = 3})),
               "embedding 'e': input is TC [1,4], expected one channel of tokens");
  graph.Add(PositionEmbedding({.name = "p", .max_position = 3}));
  Executor executor(graph);
  executor.SetBatch({.whole = 2}, Indices{0, 2, 6});
  EXPECT_ERROR(executor.Forward(Parameters(graph), {}),
               "position embedding 'p': a sequence has 4 steps, expected at most 3 (max_position)");
  Graph features;
  features.Add(FeatureInput({.num_features = 4}));
  EXPECT_ERROR(features.Add(AveragePooling1d({.name = "p", .pool_size = 2})),
               "average pooling 1-D 'p': input is BC [1,4], expected rows of sequences, TC "
               "[rows,channels]");
}

// More lengths than there are plans kept.
TEST(LayersOverTime, AnyNumberOfLengths) {
  Indices lengths;
  for (int64_t length = 1; length < 700; ++length) lengths.push_back(length);
  ExpectAsAlone(Norms()[0], Layout::Make("TC", Indices{1, 3}), lengths);
}

}  // namespace
}  // namespace normkit
