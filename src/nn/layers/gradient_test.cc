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
#include <ostream>

#include "normkit/core/tensor.h"
#include "normkit/nn/layers.h"

namespace normkit {
namespace {

constexpr double kStep = 0.03, kTolerance = 5e-4;

struct Case {
  std::string name;
  std::function<LayerPtr()> make;
  std::vector<Layout> inputs;
  bool kinks = false;
};

void PrintTo(const Case& test, std::ostream* stream) { *stream << test.name; }

Layout Image(int64_t b, int64_t h, int64_t w, int64_t c) {
  return Layout({{kB, b}, {kS, h}, {kS, w}, {kC, c}});
}
Layout Features(int64_t b, int64_t c) { return Layout({{kB, b}, {kC, c}}); }

std::vector<Case> Cases() {
  const Layout image = Image(3, 5, 7, 4), features = Features(5, 7);
  std::vector<Case> cases{
      {"Relu", [] { return Relu(); }, {image}, true},
      {"LeakyRelu", [] { return LeakyRelu({.scale = 0.3}); }, {features}, true},
      {"Tanh", [] { return Tanh(); }, {features}},
      {"Sigmoid", [] { return Sigmoid(); }, {image}},
      {"Gelu", [] { return Gelu(); }, {image}},
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
  // Every normalization on images and, where it makes sense, on features.
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
      "RmsNormalization", [] { return RmsNormalization({.epsilon = 0.01}); }, true);
  for (size_t i = 0; i < cases.size(); ++i) cases[i].name += fmt::format("_{}", i);
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

std::vector<float*> Pointers(Arrays& arrays) {
  std::vector<float*> pointers;
  for (const auto& array : arrays) pointers.push_back(array->floats());
  return pointers;
}

// A layer made ready, with all its arrays.
class Bench {
 public:
  explicit Bench(const Case& test) : layer_(test.make()), random_(42) {
    specs_ = layer_->Parameters(test.inputs);
    op_ = layer_->Prepare(test.inputs, true);
    y_size_ = layer_->OutputLayout(test.inputs).size();
    y_ = std::make_unique<Guarded>(static_cast<size_t>(y_size_) * sizeof(float));
    for (const Layout& layout : test.inputs)
      FillInput(AddArray(x_, layout.size()).values(), test.kinks);
    for (const ParameterSpec& spec : specs_) {
      const int64_t size = std::accumulate(spec.shape.begin(), spec.shape.end(), int64_t{1},
                                           std::multiplies<int64_t>());
      Guarded& values = AddArray(parameters_, size);
      spec.initialize(values.values(), random_);
      if (spec.trainable)  // not ones and zeros: nothing may hide behind them
        for (float& value : values.values()) value = static_cast<float>(random_.Uniform(-1.5, 1.5));
    }
    for (int64_t i = 0; i < y_size_; ++i)
      weights_.push_back(static_cast<float>(random_.Uniform(-1, 1)));
    saved_ = std::make_unique<Guarded>(op_->saved_bytes());
  }

  double Loss() {
    const std::vector<float*> x = Pointers(x_), parameters = Pointers(parameters_);
    std::vector<const float*> inputs(x.begin(), x.end());
    if (in_place_ && op_->forward_in_place()) {
      std::ranges::copy(x_[0]->values(), y_->floats());
      inputs[0] = y_->floats();
    }
    Guarded scratch(op_->forward_scratch_bytes());
    ForwardContext context;
    context.mode = kMode;
    context.inputs = inputs;
    context.output = y_->floats();
    context.parameters = parameters;
    context.saved = saved_->bytes();
    context.scratch = scratch.bytes();
    op_->Forward(context);
    double loss = 0;
    for (int64_t i = 0; i < y_size_; ++i)
      loss += static_cast<double>(weights_[static_cast<size_t>(i)]) * y_->floats()[i];
    return loss;
  }

  // Gradients by the layer; null pointers where `wanted` says so.
  void Gradients(float begin, bool add, bool want_inputs, bool want_parameters, Arrays& dx,
                 Arrays& dparameters) {
    Loss();
    for (const auto& array : x_) {
      Guarded& values = AddArray(dx, static_cast<int64_t>(array->values().size()));
      std::fill(values.values().begin(), values.values().end(), begin);
    }
    for (const auto& array : parameters_)
      AddArray(dparameters, static_cast<int64_t>(array->values().size()));
    std::vector<float*> dx_pointers = Pointers(dx), dparameter_pointers = Pointers(dparameters);
    if (!want_inputs) std::fill(dx_pointers.begin(), dx_pointers.end(), nullptr);
    for (size_t i = 0; i < specs_.size(); ++i)
      if (!want_parameters || !specs_[i].trainable) dparameter_pointers[i] = nullptr;
    const std::vector<float*> x = Pointers(x_), parameters = Pointers(parameters_);
    std::vector<const float*> inputs(x.begin(), x.end());
    for (size_t i = 0; i < inputs.size(); ++i)
      if (!op_->needs_input(i)) inputs[i] = nullptr;
    const auto adds = std::make_unique<bool[]>(x.size());
    std::fill_n(adds.get(), x.size(), add);
    Guarded scratch(op_->backward_scratch_bytes());
    Guarded dy(weights_.size() * sizeof(float));
    std::copy(weights_.begin(), weights_.end(), dy.floats());
    const auto in_place = [&](size_t i) { return in_place_ && op_->backward_in_place(i); };
    for (size_t i = 0; i < dx_pointers.size(); ++i)
      if (in_place(i)) dx_pointers[i] = dy.floats();
    BackwardContext context;
    context.mode = kMode;
    context.inputs = inputs;
    context.output = op_->needs_output() ? y_->floats() : nullptr;
    context.doutput = dy.floats();
    context.dinputs = dx_pointers;
    context.add_to_dinput = {adds.get(), x.size()};
    context.parameters = parameters;
    context.dparameters = dparameter_pointers;
    context.saved = saved_->bytes();
    context.scratch = scratch.bytes();
    op_->Backward(context);
    for (size_t k = 0; k < dx.size(); ++k)
      if (in_place(k)) std::ranges::copy(dy.values(), dx[k]->floats());
  }

  // From now on results go over what they are made of, where the layer can do so.
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

  const std::vector<ParameterSpec>& specs() const { return specs_; }
  Arrays& x() { return x_; }
  Arrays& parameters() { return parameters_; }

 private:
  static constexpr RunMode kMode{.training = true, .seed = 3, .iteration = 5};

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

  LayerPtr layer_;
  Random random_;
  std::vector<ParameterSpec> specs_;
  std::unique_ptr<LayerOp> op_;
  int64_t y_size_;
  Arrays x_, parameters_;
  std::unique_ptr<Guarded> y_, saved_;
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
  Arrays dx, dparameters;
  bench.Gradients(std::numeric_limits<float>::quiet_NaN(), false, true, true, dx, dparameters);
  for (size_t k = 0; k < dx.size(); ++k)
    CheckGradient(bench, bench.x()[k]->values(), dx[k]->values(), fmt::format("x{}", k));
  for (size_t k = 0; k < dparameters.size(); ++k)
    if (bench.specs()[k].trainable)
      CheckGradient(bench, bench.parameters()[k]->values(), dparameters[k]->values(),
                    bench.specs()[k].name);
}

TEST_P(LayerGradientTest, AddsWhereAsked) {
  Bench bench(GetParam());
  Arrays plain, added, dparameters, dparameters_again;
  bench.Gradients(0, false, true, true, plain, dparameters);
  bench.Gradients(10, true, true, true, added, dparameters_again);
  for (size_t k = 0; k < plain.size(); ++k)
    for (size_t i = 0; i < plain[k]->values().size(); ++i)
      ASSERT_NEAR(added[k]->values()[i], plain[k]->values()[i] + 10, 1e-5) << k << " " << i;
  for (size_t k = 0; k < dparameters.size(); ++k)
    if (bench.specs()[k].trainable) {
      EXPECT_TRUE(std::ranges::equal(dparameters[k]->values(), dparameters_again[k]->values()));
    }
}

TEST_P(LayerGradientTest, GivesOnlyWhatIsWanted) {
  Bench bench(GetParam());
  Arrays dx, dparameters, dx_only, none, nothing, dparameters_only;
  bench.Gradients(0, false, true, true, dx, dparameters);
  bench.Gradients(0, false, true, false, dx_only, none);
  bench.Gradients(0, false, false, true, nothing, dparameters_only);
  for (size_t k = 0; k < dx.size(); ++k)
    EXPECT_TRUE(std::ranges::equal(dx[k]->values(), dx_only[k]->values()));
  for (size_t k = 0; k < dparameters.size(); ++k)
    for (size_t i = 0; bench.specs()[k].trainable && i < dparameters[k]->values().size(); ++i)
      ASSERT_NEAR(dparameters_only[k]->values()[i], dparameters[k]->values()[i], 1e-5)
          << i;  // not the same bits: kernels that fuse dx round in another order
}

TEST_P(LayerGradientTest, TheSameInPlace) {
  Bench bench(GetParam());
  Arrays dx, dparameters, dx_in_place, dparameters_in_place;
  bench.Gradients(0, false, true, true, dx, dparameters);
  const double loss = bench.Loss();
  bench.GoInPlace();
  bench.Gradients(0, false, true, true, dx_in_place, dparameters_in_place);
  EXPECT_EQ(bench.Loss(), loss);
  for (size_t k = 0; k < dx.size(); ++k)
    EXPECT_TRUE(std::ranges::equal(dx[k]->values(), dx_in_place[k]->values())) << k;
  for (size_t k = 0; k < dparameters.size(); ++k)
    if (bench.specs()[k].trainable) {
      EXPECT_TRUE(std::ranges::equal(dparameters[k]->values(), dparameters_in_place[k]->values()));
    }
}

INSTANTIATE_TEST_SUITE_P(Layers, LayerGradientTest, testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace normkit
