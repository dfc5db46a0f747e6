// One test for every layer: gradients against finite differences, overwriting and adding.
//
// The loss is L = sum(w * y) with fixed random w, summed in f64. Differences are of fourth order,
//   L' ~ (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / (12 h),
// with an error of h^4 / 30 * L^(5) from cutting the series and of about 1e-7 * |y| * sqrt(n) / h
// from f32: at h = 0.03, 3e-8 * L^(5) and 3e-5. So 5e-4 of the largest gradient catches any wrong
// term. Functions with kinks (ReLU, maxima) get inputs that stay 2h away from them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

#include "normkit/core/tensor.h"
#include "normkit/graph/graph.h"
#include "src/graph/plan.h"
#include "src/nn/layers/op_layer.h"
#include "src/nn/layers/recurrent_cases.h"
#include "src/nn/layers/space_cases.h"
#include "src/ops/binary.h"
#include "src/ops/elementwise.h"
#include "src/ops/functions.h"
#include "src/ops/normalization.h"
#include "src/ops/ops.h"
#include "src/ops/recurrent/recurrent.h"
#include "src/ops/resize.h"
#include "src/ops/time_ops.h"

namespace normkit {
namespace {

constexpr double kStep = 0.03, kTolerance = 5e-4;

using Case = LayerCase;

Layout Image(int64_t b, int64_t h, int64_t w, int64_t c) {
  return Layout({{kB, b}, {kS, h}, {kS, w}, {kC, c}});
}
Layout Features(int64_t b, int64_t c) { return Layout({{kB, b}, {kC, c}}); }

// Operations that no layer has, but networks of others.
std::vector<Case> OpCases() {
  std::vector<Case> cases;
  const auto add = [&](std::string name, const std::shared_ptr<const Op>& op,
                       std::vector<Layout> inputs, std::vector<std::vector<int64_t>> constants = {},
                       bool kinks = false, std::vector<std::vector<int64_t>> parameters = {}) {
    const auto bound = std::make_shared<OpOfConstants>(op, constants);
    cases.push_back({std::move(name), [=] { return std::make_shared<OpLayer>(bound, parameters); },
                     std::move(inputs), kinks});
  };
  const Layout image = Image(2, 5, 4, 3), row = Image(1, 1, 4, 3), channels = Layout({{kC, 3}});
  for (const char* name : {"add", "subtract", "multiply"}) {
    const auto op = ops::MakeBinary(ops::FindBinary(name));
    add(std::string("Binary_") + name, op, {image, image});
    add(std::string("Binary_broadcast_") + name, op, {image, row});
    add(std::string("Binary_channels_") + name, op, {channels, image});
  }
  for (const char* name :
       {"sine", "cosine", "softplus", "swish", "mish", "GELU by tanh", "erf", "negative",
        "softsign", "ELU", "CELU", "SELU", "affine", "absolute", "exponential"})
    add(std::string("Function_") + name, ops::MakeFunction(ops::FindFunction(name), 0.8f, 1.25f),
        {image}, {}, true);
  // Between their kinks.
  add("Function_clamp", ops::MakeFunction(ops::FindFunction("clamp"), -9, 9), {image});
  for (const char* name : {"hard sigmoid", "hard swish"})
    add(std::string("Function_") + name, ops::MakeFunction(ops::FindFunction(name), 0.05f, 0.5f),
        {image});
  add("Transpose", ops::Transpose({2, 0, 3, 1}), {image});
  add("SliceAxes", ops::SliceAxes(), {image}, {{-1, 1}, {-9, 9}, {1, 2}, {-2, 2}});
  add("Expand", ops::Expand(), {row}, {{2, 5, 1, 1}});
  add("Gather", ops::Gather(1), {image}, {{3, 0, -1, 3}});
  add("ConcatenationOfRows", ops::Concatenation(1), {image, Image(2, 1, 4, 3)});
  add("AddAxes", ops::AddAxes({0, 2}), {image});
  add("FlattenAt", ops::FlattenAt(2), {image});
  const std::vector<int64_t> around{0, 1, 2, 0, 0, 3, 1, 0}, cut{0, -1, 2, 0, 0, 2, -1, 0};
  add("PadConstant", ops::Pad(ops::Edge::kConstant), {image}, {around});
  add("PadReflect", ops::Pad(ops::Edge::kReflect), {image}, {around});
  add("PadRepeat", ops::Pad(ops::Edge::kRepeat), {image}, {around});
  add("PadAround", ops::Pad(ops::Edge::kAround), {image}, {around});
  add("PadCuts", ops::Pad(ops::Edge::kConstant), {image}, {cut});
  for (const auto mode :
       {ops::ResizeSettings::kNearest, ops::ResizeSettings::kLinear, ops::ResizeSettings::kCubic}) {
    const ops::ResizeSettings settings{.mode = mode, .axes = {2, 1}};
    add("ResizeLarger" + std::to_string(mode), ops::Resize(settings), {image}, {{7, 11}});
    add("ResizeSmaller" + std::to_string(mode), ops::Resize(settings), {image}, {{2, 3}});
  }
  add("ResizeOfVolumes", ops::Resize({.mode = ops::ResizeSettings::kLinear, .axes = {1, 2, 3}}),
      {Layout::Make("BSSSC", std::vector<int64_t>{2, 4, 3, 5, 2})}, {{6, 2, 5}});
  add("ReduceMean", ops::Reduce(ops::Reduction::kMean, {1, 2}), {image});
  add("ReduceSum", ops::Reduce(ops::Reduction::kSum, {0, -1}), {image});
  add("ReduceSumOfSquares", ops::Reduce(ops::Reduction::kSumOfSquares, {3}), {image});
  for (const NormSpec* spec : {&kInstanceNorm, &kLayerNorm})
    add("AdaptiveNormalization", ops::AdaptiveNormalization(*spec, {.epsilon = 0.01}),
        {Image(3, 2, 5, 6)}, {}, false, {{3, 6}, {3, 6}});
  add("AttentionOfPictures", ops::Attention({2}),
      {Image(2, 3, 2, 6), Image(2, 3, 2, 6), Image(2, 3, 2, 4)});
  add("WeightStandardization", ops::WeightStandardization(0.01), {Image(4, 2, 3, 5)});
  add("Gram", ops::GramMatrix(), {Image(2, 4, 3, 5)});
  add("MatrixProducts", ops::MatrixProducts(), {Image(2, 3, 4, 5), Image(2, 3, 5, 2)});
  const ops::Window window{.size = {3, 2}, .stride = {2, 1}, .padding = {false, 1, 0, 0, 1}};
  add("TransposedConvolution", ops::TransposedConvolution(window, 1), {image}, {}, false,
      {{3, 4, 3, 2}, {4}});
  add("TransposedConvolutionOfGroups",
      ops::TransposedConvolution({.size = {2, 2}, .stride = {3, 2}}, 3, {.more = {2, 1}}), {image},
      {}, false, {{3, 2, 2, 2}});
  for (const bool causal : {false, true}) {
    const Layout keys = Layout::Make("TC", std::vector<int64_t>{10, 6}),
                 values = Layout::Make("TC", std::vector<int64_t>{10, 4});
    add(causal ? "CausalAttention" : "Attention", ops::Attention({2, causal}),
        {keys, keys, values});
    cases.back().offsets = {0, 3, 4, 9, 10};
  }
  return cases;
}

// LSTMs that normalize, from the sums of their gates.
std::vector<Case> NormalizedLstmCases() {
  // Statistics of a few units would bend too much for differences.
  constexpr int64_t kHidden = 17;
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, ops::RecurrentSettings settings,
                       std::vector<Layout> states = {}) {
    settings.normalizes = true;
    const int64_t D = settings.directions(), outputs = settings.projects ? 5 : kHidden;
    std::vector<Layout> inputs{Layout({{kT, 8}, {kC, D * 4 * kHidden}})};
    inputs.insert(inputs.end(), states.begin(), states.end());
    std::vector<std::vector<int64_t>> parameters;
    if (settings.shared_states) parameters = {{D * outputs}, {D * kHidden}};
    parameters.push_back({D * 4 * kHidden, outputs});
    if (settings.projects) parameters.push_back({D * outputs, kHidden});
    parameters.insert(parameters.end(), {{D * 4 * kHidden}, {D * kHidden}, {D * kHidden}});
    const auto op = ops::Recurrent(settings);
    cases.push_back({"NormalizedLstm" + name,
                     [=] { return std::make_shared<OpLayer>(op, parameters); },
                     inputs,
                     false,
                     {0, 4, 5, 8}});
  };
  const Layout state({{kB, 3}, {kC, kHidden}});
  add("", {});
  add("Reverse", {.direction = ops::Direction::kReverse});
  add("BothLast", {.direction = ops::Direction::kBoth, .last = true});
  add("Projected", {.projects = true});
  add("OfStates", {.states = true, .end_states = true}, {state, state});
  add("OfSharedStates",
      {.direction = ops::Direction::kBoth, .states = true, .shared_states = true});
  return cases;
}

std::vector<Case> Cases() {
  const Layout image = Image(3, 5, 7, 4), features = Features(5, 7);
  std::vector<Case> cases{
      {"Softmax", [] { return Softmax(); }, {features}},
      {"SoftmaxOfImages", [] { return Softmax(); }, {Image(2, 3, 1, 5)}},
      {"Dropout", [] { return Dropout({.probability = 0.4}); }, {image}},
      {"Addition", [] { return Addition(); }, {image, image}},
      {"AdditionOfThree",
       [] { return Addition({.num_inputs = 3}); },
       {features, features, features}},
      {"Concatenation",
       [] { return Concatenation({.num_inputs = 3}); },
       {Image(2, 3, 5, 1), Image(2, 3, 5, 7), Image(2, 3, 5, 2)}},
      {"Flatten", [] { return Flatten(); }, {image}},
      {"GlobalAveragePooling", [] { return GlobalAveragePooling2d(); }, {Image(2, 5, 3, 67)}},
      {"FullyConnected", [] { return FullyConnected({.output_size = 3}); }, {features}},
      {"FullyConnectedWithoutBias",
       [] { return FullyConnected({.output_size = 19, .bias = false}); },
       {Features(17, 5)}},
      {"MaxPooling",
       [] {
         return MaxPooling2d({.pool_size = {2, 3}, .stride = {2, 1}});
       },
       {image},
       true},
      {"MaxPoolingSame",
       [] {
         return MaxPooling2d({.pool_size = {3, 2}, .stride = {2, 2}, .padding = Padding::Same()});
       },
       {image},
       true},
      {"AveragePooling",
       [] {
         return AveragePooling2d(
             {.pool_size = {3, 2}, .stride = {1, 2}, .padding = {false, 2, 0, 1, 1}});
       },
       {image}},
      {"Convolution",
       [] {
         return Convolution2d({.filter_size = {3, 3}, .num_filters = 5});
       },
       {image}},
      {"ConvolutionStridedPaddedDilated",
       [] {
         return Convolution2d({.filter_size = {2, 3},
                               .num_filters = 3,
                               .stride = {2, 1},
                               .dilation = {1, 2},
                               .padding = {false, 1, 0, 2, 1}});
       },
       {Image(10, 5, 4, 3)}},
      {"ConvolutionOfLines",
       [] { return Convolution({.filter_size = {3}, .num_filters = 4, .stride = {2}}); },
       {Layout::Make("BTC", std::vector<int64_t>{3, 9, 5})}},
      {"ConvolutionOfVolumes",
       [] {
         return Convolution(
             {.filter_size = {3, 2, 3}, .num_filters = 4, .padding = Padding::Same()});
       },
       {Layout::Make("BSSSC", std::vector<int64_t>{2, 4, 3, 5, 3})}},
      {"ConvolutionInGroups",
       [] {
         return Convolution2d({.filter_size = {3, 3},
                               .num_filters = 6,
                               .padding = Padding::Same(),
                               .num_groups = 2,
                               .bias = false});
       },
       {image}},
      {"ConvolutionOfEachChannel",
       [] {
         return Convolution2d({.filter_size = {3, 1}, .num_filters = 4, .num_groups = 4});
       },
       {image}},
  };
  for (Case& test : SpaceCases(image, features)) cases.push_back(std::move(test));
  // Every normalization on images and, where it makes sense, on features.
  for (const ops::Elementwise& row : ops::ElementwiseTable()) {
    const auto make = [&row](std::optional<double> number) {
      return [&row, number] { return Elementwise(row.json, "", number); };
    };
    cases.push_back({std::string(row.short_name), make({}), {image}, row.has_kink});
    if (!row.number.name.empty())
      cases.push_back({std::string(row.short_name), make(0.3), {features}, row.has_kink});
  }
  const auto norm = [&](const char* name, std::function<LayerPtr()> make, bool of_features) {
    cases.push_back({std::string(name) + "OfImages", make, {Image(3, 2, 5, 6)}});
    if (of_features) cases.push_back({std::string(name) + "OfFeatures", make, {Features(7, 6)}});
  };
  norm(
      "BatchNormalization", [] { return BatchNormalization({.epsilon = 0.01}); }, true);
  norm(
      "BatchNormalizationWithTrained",
      [] {
        return BatchNormalization({.trained_mean = {0, .1f, .2f, 0, 0, 1},
                                   .trained_variance = {1, 2, .5f, 1, 1, 1},
                                   .use_trained_statistics = true});
      },
      true);
  norm(
      "LayerNormalization", [] { return LayerNormalization({.epsilon = 0.01}); }, true);
  for (const auto dimension : {OperationDimension::kAuto, OperationDimension::kChannelOnly,
                               OperationDimension::kSpatialChannel})
    norm(
        "LayerNormalizationOther",
        [dimension] {
          return LayerNormalization({.epsilon = 0.01, .operation_dimension = dimension});
        },
        dimension == OperationDimension::kAuto);
  norm(
      "InstanceNormalization", [] { return InstanceNormalization({.epsilon = 0.01}); }, false);
  for (const int64_t groups : {int64_t{2}, GroupNormalizationOptions::kAllChannels,
                               GroupNormalizationOptions::kChannelWise})
    norm(
        "GroupNormalization",
        [groups] { return GroupNormalization({.num_groups = groups, .epsilon = 0.01}); },
        groups != GroupNormalizationOptions::kChannelWise);
  norm(
      "BatchNormalizationWithoutScale",
      [] { return BatchNormalization({.epsilon = 0.01, .affine = false}); }, true);
  norm(
      "InstanceNormalizationWithoutScale",
      [] { return InstanceNormalization({.epsilon = 0.01, .affine = false}); }, false);
  norm(
      "RmsNormalizationWithoutScale",
      [] { return RmsNormalization({.epsilon = 0.01, .affine = false}); }, true);
  norm(
      "GroupRmsNormalization",
      [] { return GroupRmsNormalization({.num_groups = 2, .epsilon = 0.01}); }, true);
  norm(
      "RmsNormalization", [] { return RmsNormalization({.epsilon = 0.01}); }, true);
  for (Case& test : TimeCases()) cases.push_back(std::move(test));
  for (Case& test : OpCases()) cases.push_back(std::move(test));
  for (Case& test : NormalizedLstmCases()) cases.push_back(std::move(test));
  for (Case& test : RecurrentCases()) cases.push_back(std::move(test));
  for (size_t i = 0; i < cases.size(); ++i) {
    std::ranges::replace(cases[i].name, ' ', '_');
    cases[i].name += fmt::format("_{}", i);
  }
  return cases;
}

// Memory with a known end: what a layer writes behind it shows.
class Guarded {
 public:
  explicit Guarded(size_t bytes)
      : bytes_(bytes), storage_(Layout({{kC, static_cast<int64_t>((bytes + kGuard + 3) / 4)}})) {
    std::memset(storage_.data(), kByte, bytes_ + kGuard);
  }
  ~Guarded() {
    const auto* end = static_cast<const uint8_t*>(storage_.data()) + bytes_;
    for (size_t i = 0; i < kGuard; ++i) EXPECT_EQ(end[i], kByte) << "written behind the end";
  }
  std::byte* bytes() { return static_cast<std::byte*>(storage_.data()); }
  float* floats() { return static_cast<float*>(storage_.data()); }
  std::span<float> values() { return {floats(), bytes_ / sizeof(float)}; }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr uint8_t kByte = 0xff;  // floats of these bytes are NaN: reading early shows too
  size_t bytes_;
  Tensor storage_;
};

using Arrays = std::vector<std::unique_ptr<Guarded>>;

Guarded& AddArray(Arrays& arrays, int64_t size) {
  arrays.push_back(std::make_unique<Guarded>(static_cast<size_t>(size) * sizeof(float)));
  return *arrays.back();
}

// A layer's operation made ready, with all its arrays: inputs, and parameters behind them.
class Bench {
 public:
  explicit Bench(const Case& test)
      : num_x_(test.inputs.size()),
        random_(42),
        part_{.whole = std::max<int64_t>(0, std::ssize(test.offsets) - 1)},
        time_(part_, test.offsets) {
    std::vector<Value> values;
    for (const Layout& layout : test.inputs)
      values.push_back(graph_.AddInput({DType::kF32, layout}));
    graph_.Add(test.make(), values);
    EXPECT_EQ(graph_.nodes().size(), 1u) << "a layer of several operations";
    const Graph::Types types = graph_.Infer(test.inputs, part_.rows());
    std::vector<OpInput> inputs;
    for (const Value value : node().inputs) {
      inputs.push_back(types[value]);
      Guarded& array = AddArray(arrays_, inputs.back().type.shape.size());
      const int parameter = graph_.value(value).parameter;
      if (parameter < 0)
        FillInput(array.values(), test.kinks);
      else
        FillParameter(graph_.parameters()[static_cast<size_t>(parameter)].spec, array.values());
    }
    kernel_ =
        node().op->Prepare(inputs, {true, part_, test.offsets.empty() ? nullptr : &time_.time()});
    for (const Value value : node().outputs)
      y_.push_back(std::make_unique<Guarded>(types[value].type.bytes()));
    for (size_t i = 0; i < y_[0]->values().size(); ++i)
      weights_.push_back(static_cast<float>(random_.Uniform(-1, 1)));
    saved_ = std::make_unique<Guarded>(kernel_->saved_bytes());
  }

  double Loss() {
    std::vector<const void*> inputs = Inputs();
    if (in_place_ && kernel_->forward_in_place()) {
      std::ranges::copy(arrays_[0]->values(), y_[0]->floats());
      inputs[0] = y_[0]->floats();
    }
    std::vector<void*> outputs;
    for (const auto& array : y_) outputs.push_back(array->bytes());
    Guarded scratch(kernel_->forward_scratch_bytes());
    ForwardContext context;
    context.run = kMode;
    context.inputs = inputs;
    context.outputs = outputs;
    context.saved = saved_->bytes();
    context.scratch = scratch.bytes();
    kernel_->Forward(context);
    double loss = 0;
    for (size_t i = 0; i < weights_.size(); ++i)
      loss += static_cast<double>(weights_[i]) * y_[0]->floats()[i];
    return loss;
  }

  // Gradients by the kernel, of what is wanted: inputs, parameters, without that of array `frozen`;
  // each begins as `begin`.
  Arrays Gradients(float begin, bool add, bool want_inputs, bool want_parameters,
                   std::optional<size_t> frozen = {}) {
    Loss();
    Arrays gradients;
    std::vector<float*> dinputs;
    for (size_t i = 0; i < arrays_.size(); ++i) {
      Guarded& values = AddArray(gradients, static_cast<int64_t>(arrays_[i]->values().size()));
      std::fill(values.values().begin(), values.values().end(), begin);
      const bool wanted = i < num_x_ ? want_inputs : want_parameters && IsTrained(i);
      dinputs.push_back(wanted && i != frozen ? values.floats() : nullptr);
    }
    std::vector<const void*> inputs = Inputs(), outputs;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (!kernel_->needs_input(i)) inputs[i] = nullptr;
    for (size_t i = 0; i < y_.size(); ++i)
      outputs.push_back(kernel_->needs_output(i) ? y_[i]->bytes() : nullptr);
    const auto adds = std::make_unique<bool[]>(arrays_.size());
    std::fill_n(adds.get(), arrays_.size(), add);
    Guarded scratch(kernel_->backward_scratch_bytes());
    Guarded dy(weights_.size() * sizeof(float));
    std::copy(weights_.begin(), weights_.end(), dy.floats());
    const auto in_place = [&](size_t i) {
      return i < num_x_ && in_place_ && kernel_->backward_in_place(i);
    };
    for (size_t i = 0; i < num_x_; ++i)
      if (in_place(i)) dinputs[i] = dy.floats();
    std::vector<const float*> doutputs(y_.size());
    doutputs[0] = dy.floats();
    BackwardContext context;
    context.run = kMode;
    context.inputs = inputs;
    context.outputs = outputs;
    context.doutputs = doutputs;
    context.dinputs = dinputs;
    context.add = {adds.get(), arrays_.size()};
    context.saved = saved_->bytes();
    context.scratch = scratch.bytes();
    kernel_->Backward(context);
    for (size_t i = 0; i < num_x_; ++i)
      if (in_place(i)) std::ranges::copy(dy.values(), gradients[i]->floats());
    return gradients;
  }

  // From now on results go over what they are made of, where the kernel can do so.
  void GoInPlace() { in_place_ = true; }

  double Difference(float& value) {
    const float middle = value;
    const auto at = [&](double step) {
      value = static_cast<float>(middle + step);
      return Loss();
    };
    const double near = at(kStep) - at(-kStep), far = at(2 * kStep) - at(-2 * kStep);
    value = middle;
    return (8 * near - far) / (12 * kStep);
  }

  Arrays& arrays() { return arrays_; }
  bool IsInput(size_t i) const { return i < num_x_; }
  // Whether the array has a gradient: all but state.
  bool IsTrained(size_t i) const {
    return graph_.value(node().inputs[i]).kind != ValueKind::kState;
  }
  bool Adds(size_t i) const { return kernel_->adds(i); }
  std::string NameOf(size_t i) const {
    const int parameter = graph_.value(node().inputs[i]).parameter;
    return parameter < 0 ? fmt::format("x{}", i)
                         : graph_.parameters()[static_cast<size_t>(parameter)].spec.name;
  }

 private:
  static constexpr RunContext kMode{.training = true, .seed = 3, .iteration = 5};

  const Node& node() const { return graph_.nodes().back(); }
  std::vector<const void*> Inputs() {
    std::vector<const void*> inputs;
    for (const auto& array : arrays_) inputs.push_back(array->bytes());
    return inputs;
  }

  void FillParameter(const ParameterSpec& spec, std::span<float> values) {
    spec.initialize(values, random_);
    if (spec.trainable)  // not ones and zeros: nothing may hide behind them
      for (float& value : values) value = static_cast<float>(random_.Uniform(-1.5, 1.5));
  }

  void FillInput(std::span<float> values, bool kinks) {
    if (!kinks) {
      for (float& value : values) value = static_cast<float>(random_.Normal());
      return;
    }
    std::vector<int64_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    random_.Shuffle(order);
    const double middle = static_cast<double>(values.size() / 2) - 0.5;
    for (size_t i = 0; i < values.size(); ++i)  // 5 steps apart, and from 0 half of that
      values[i] = static_cast<float>(5 * kStep * (static_cast<double>(order[i]) - middle));
  }

  Graph graph_;
  size_t num_x_;
  Random random_;
  BatchPart part_;
  TimeCut time_;
  std::unique_ptr<Kernel> kernel_;
  Arrays arrays_, y_;
  std::unique_ptr<Guarded> saved_;
  std::vector<float> weights_;
  bool in_place_ = false;
};

class LayerGradientTest : public testing::TestWithParam<Case> {};

void CheckGradient(Bench& bench, std::span<float> at, std::span<const float> gradient,
                   const std::string& what) {
  double largest = 0.1;
  for (const float g : gradient) largest = std::max<double>(largest, std::abs(g));
  for (size_t i = 0; i < at.size(); ++i)
    ASSERT_NEAR(gradient[i], bench.Difference(at[i]), kTolerance * largest) << what << " " << i;
}

TEST_P(LayerGradientTest, AgreesWithFiniteDifferences) {
  Bench bench(GetParam());
  const Arrays gradients =
      bench.Gradients(std::numeric_limits<float>::quiet_NaN(), false, true, true);
  for (size_t k = 0; k < gradients.size(); ++k)
    if (bench.IsTrained(k))
      CheckGradient(bench, bench.arrays()[k]->values(), gradients[k]->values(), bench.NameOf(k));
}

TEST_P(LayerGradientTest, AddsWhereAsked) {
  Bench bench(GetParam());
  const Arrays plain = bench.Gradients(0, false, true, true);
  const Arrays added = bench.Gradients(10, true, true, true);
  for (size_t k = 0; k < plain.size(); ++k) {
    EXPECT_TRUE(bench.Adds(k) || !bench.IsInput(k)) << "only parameters may be added outside";
    for (size_t i = 0; bench.IsTrained(k) && i < plain[k]->values().size(); ++i)
      ASSERT_NEAR(added[k]->values()[i], plain[k]->values()[i] + (bench.Adds(k) ? 10 : 0), 1e-5)
          << bench.NameOf(k) << " " << i;
  }
}

TEST_P(LayerGradientTest, GivesOnlyWhatIsWanted) {
  Bench bench(GetParam());
  const Arrays all = bench.Gradients(0, false, true, true);
  const Arrays of_inputs = bench.Gradients(0, false, true, false);
  const Arrays of_parameters = bench.Gradients(0, false, false, true);
  for (size_t k = 0; k < all.size(); ++k) {
    if (bench.IsInput(k)) {
      EXPECT_TRUE(std::ranges::equal(all[k]->values(), of_inputs[k]->values()));
      continue;
    }
    for (size_t i = 0; i < all[k]->values().size(); ++i)
      ASSERT_NEAR(of_parameters[k]->values()[i], all[k]->values()[i], 1e-5)
          << i;  // not the same bits: kernels that fuse dx round in another order
  }
}

// As that of a bias behind frozen weights.
TEST_P(LayerGradientTest, AFrozenParameterChangesNoOther) {
  Bench bench(GetParam());
  const Arrays all = bench.Gradients(0, false, true, true);
  for (size_t frozen = 0; frozen < all.size(); ++frozen) {
    if (bench.IsInput(frozen) || !bench.IsTrained(frozen)) continue;
    const Arrays others = bench.Gradients(7, false, true, true, frozen);
    for (size_t k = 0; k < all.size(); ++k) {
      if (k == frozen || !bench.IsTrained(k)) continue;
      EXPECT_TRUE(std::ranges::equal(others[k]->values(), all[k]->values()))
          << bench.NameOf(k) << " without " << bench.NameOf(frozen);
    }
  }
}

TEST_P(LayerGradientTest, TheSameInPlace) {
  Bench bench(GetParam());
  const Arrays apart = bench.Gradients(0, false, true, true);
  const double loss = bench.Loss();
  bench.GoInPlace();
  const Arrays in_place = bench.Gradients(0, false, true, true);
  EXPECT_EQ(bench.Loss(), loss);
  for (size_t k = 0; k < apart.size(); ++k)
    EXPECT_TRUE(std::ranges::equal(apart[k]->values(), in_place[k]->values())) << bench.NameOf(k);
}

INSTANTIATE_TEST_SUITE_P(Layers, LayerGradientTest, testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace normkit
