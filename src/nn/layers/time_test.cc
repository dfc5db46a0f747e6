// Layers over time: each observation of an uneven mini-batch gets what it gets alone, to the bit,
// forward and backward, on any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
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

namespace normkit {
namespace {

using Indices = std::vector<int64_t>;
using Values = std::vector<float>;

// The arrays that come out of one pass forward and backward.
struct Passed {
  Layout layout;  // of y
  Values y, dx, dparameters;
};

// One layer of one operation, on observations of these lengths. dy of element i of y is a function
// of x's first element of that observation and i's place in it, so that it is the same alone.
class TimeRun {
 public:
  TimeRun(const LayerPtr& layer, const Layout& step) : step_(step) {
    graph_.Add(layer, {graph_.AddInput({DType::kF32, step})});
  }

  Passed Pass(const Values& x, const Indices& lengths) const {
    Indices offsets{0};
    for (const int64_t length : lengths) offsets.push_back(offsets.back() + length);
    const BatchPart part{.whole = std::ssize(lengths)};
    const TimeCut time(part, offsets);
    const Layout layout = step_.WithBatch(offsets.back());
    const Graph::Types types = graph_.Infer(std::span(&layout, 1), part.rows());
    const Node& node = graph_.nodes().back();
    std::vector<OpInput> inputs;
    for (const Value value : node.inputs) inputs.push_back(types[value]);
    const auto kernel = node.op->Prepare(inputs, {true, part, &time.time()});

    std::vector<Values> parameters;
    std::vector<const void*> arrays{x.data()};
    Random random(11);
    for (size_t i = 1; i < inputs.size(); ++i) {
      Values& values = parameters.emplace_back(static_cast<size_t>(inputs[i].type.shape.size()));
      for (float& value : values) value = static_cast<float>(random.Uniform(-1, 1));
    }
    for (const Values& values : parameters) arrays.push_back(values.data());

    Passed out{types[node.outputs[0]].type.shape, {}, Values(x.size(), kNaN), {}};
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
    std::vector<float*> dinputs{out.dx.data()};
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
  Graph graph_;
};

struct TimeCase {
  std::string name;
  std::function<LayerPtr()> make;
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
  const TimeRun run(test.make(), step);
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
    EXPECT_TRUE(
        std::equal(alone.dx.begin(), alone.dx.end(), all.dx.begin() + static_cast<ptrdiff_t>(at)))
        << "dx, length " << length;
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

TEST(LayersOverTime, WhatDoesNotFitIsNamed) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = 4}));
  EXPECT_ERROR(Convolution1d({.name = "c", .filter_size = 3, .num_filters = 1, .padding = {}}),
               "convolution 1-D 'c': padding is 0 and 0, expected same, causal, or numbers that "
               "add up to 2: sequences keep their lengths");
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
