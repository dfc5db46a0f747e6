// What the C interface refuses, and that it computes what the C++ one does. tests/c_api_test.c
// shows that the header is C.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>
#include <vector>

#include "normkit/c.h"
#include "normkit/norm/normalization.h"

namespace normkit {
namespace {

struct PlanDeleter {
  void operator()(normkit_plan* plan) const { normkit_plan_destroy(plan); }
};
using Plan = std::unique_ptr<normkit_plan, PlanDeleter>;

// The plan, or null with the text in normkit_last_error().
Plan Create(const char* layer, const char* format, const std::vector<int64_t>& shape,
            normkit_options options = NORMKIT_OPTIONS_DEFAULT, normkit_dtype dtype = NORMKIT_F32) {
  normkit_plan* plan = nullptr;
  const normkit_status status =
      normkit_plan_create(layer, format, shape.data(), shape.size(), dtype, &options, &plan);
  EXPECT_EQ(status == NORMKIT_OK, plan != nullptr);
  return Plan(plan);
}

std::string CreateError(const char* layer, const char* format, const std::vector<int64_t>& shape,
                        normkit_options options = NORMKIT_OPTIONS_DEFAULT,
                        normkit_dtype dtype = NORMKIT_F32) {
  EXPECT_EQ(Create(layer, format, shape, options, dtype), nullptr);
  return normkit_last_error();
}

normkit_options Options(int64_t num_groups, const char* operation_dimension = nullptr) {
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.num_groups = num_groups;
  options.operation_dimension = operation_dimension;
  return options;
}

TEST(CApi, SizesOfEveryLayer) {
  struct Case {
    const char* layer;
    normkit_options options;
    int64_t statistics, running, reduced;
  };
  const Case cases[] = {
      {"batch", Options(0), 6, 6, 40},
      {"layer", Options(0), 2, 0, 120},
      {"layer", Options(0, "channel-only"), 40, 0, 6},
      {"layer", Options(0, "auto"), 2, 0, 120},
      {"instance", Options(0), 12, 0, 20},
      {"group", Options(3), 6, 0, 40},
      {"group", Options(NORMKIT_ALL_CHANNELS), 2, 0, 120},
      {"group", Options(NORMKIT_CHANNEL_WISE), 12, 0, 20},
      {"rms", Options(0), 40, 0, 6},
  };
  for (const Case& c : cases) {
    const Plan plan = Create(c.layer, "BCSS", {2, 6, 4, 5}, c.options);
    ASSERT_NE(plan, nullptr) << normkit_last_error();
    EXPECT_EQ(normkit_plan_num_statistics(plan.get()), c.statistics) << c.layer;
    EXPECT_EQ(normkit_plan_num_parameters(plan.get()), 6) << c.layer;
    EXPECT_EQ(normkit_plan_num_running(plan.get()), c.running) << c.layer;
    EXPECT_EQ(normkit_plan_reduced_count(plan.get()), c.reduced) << c.layer;
    EXPECT_EQ(std::string(normkit_plan_describe(plan.get())).rfind(c.layer, 0), 0u);
  }
  EXPECT_EQ(normkit_plan_num_statistics(nullptr), -1);
  EXPECT_EQ(normkit_plan_num_parameters(nullptr), -1);
  EXPECT_EQ(normkit_plan_num_running(nullptr), -1);
  EXPECT_EQ(normkit_plan_reduced_count(nullptr), -1);
  EXPECT_STREQ(normkit_plan_describe(nullptr), "");
}

TEST(CApi, RefusesBadPlans) {
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, Options(3)),
            "batch normalization of BC [2,6]: 3 groups given, but only group normalization has "
            "groups");
  EXPECT_EQ(CreateError("group", "BC", {2, 6}),
            "group normalization of BC [2,6]: the number of groups is missing");
  EXPECT_EQ(CreateError("group", "BC", {2, 6}, Options(-3)),
            "group normalization of BC [2,6]: num_groups is -3, expected 1 or more, kAllChannels "
            "(-1) or kChannelWise (-2)");
  EXPECT_EQ(CreateError("rms", "BC", {2, 6}, Options(0, "auto")),
            "rms normalization of BC [2,6]: operation dimension 'auto' given, but only layer "
            "normalization has one");
  EXPECT_NE(CreateError("layer", "BC", {2, 6}, Options(0, "channels")).find("channels"),
            std::string::npos);
  EXPECT_NE(CreateError("bach", "BC", {2, 6}).find("bach"), std::string::npos);
  EXPECT_EQ(CreateError("batch", "BX", {2, 6}),
            "format 'BX': letter 'X' is unknown, expected B, T, S and C, did you mean 'BC'?");
  EXPECT_EQ(CreateError("batch", "BCS", {2, 6}),
            "normkit_plan_create: format 'BCS' has 3 letters, rank is 2");
  EXPECT_EQ(CreateError("batch", nullptr, {2, 6}), "normkit_plan_create: format is NULL");
  EXPECT_EQ(CreateError(nullptr, "BC", {2, 6}), "normkit_plan_create: layer is NULL");
  EXPECT_EQ(CreateError("batch", "BC", {2, -6}), "layout: axis C has size -6, expected >= 0");
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, Options(0), 9),
            "normkit_plan_create: dtype 9 given, expected NORMKIT_F32 (0), NORMKIT_F64 (1), "
            "NORMKIT_BF16 (2) or NORMKIT_F16 (3)");
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.activation = 10;
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, options),
            "normkit_plan_create: activation 10 given, expected NORMKIT_NO_ACTIVATION (0), "
            "NORMKIT_RELU (1), ... or NORMKIT_SOFTPLUS (9)");
  options.activation = NORMKIT_LEAKY_RELU;
  options.negative_slope = -1;
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, options),
            "batch normalization: negative_slope is -1, expected a finite number >= 0");
  options = NORMKIT_OPTIONS_DEFAULT;
  options.epsilon = 0;
  EXPECT_NE(CreateError("batch", "BC", {2, 6}, options).find("epsilon"), std::string::npos);
  options = NORMKIT_OPTIONS_DEFAULT;
  options.size = 8;
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, options),
            "normkit_plan_create: options.size is 8, expected 104: start from "
            "NORMKIT_OPTIONS_DEFAULT");
}

TEST(CApi, NoChannelsHaveNoRunningStatisticsToMove) {
  const Plan none = Create("batch", "BC", {3, 0});
  EXPECT_EQ(normkit_update_running(none.get(), nullptr, nullptr, 0.1, 0.1, NORMKIT_COUNT, nullptr,
                                   nullptr),
            NORMKIT_OK);
}

TEST(CApi, RefusesBadCalls) {
  const Plan batch = Create("batch", "BC", {2, 3}), layer = Create("layer", "BC", {2, 3});
  float x[6] = {}, running[3] = {};
  double saved[3] = {};
  EXPECT_EQ(
      normkit_backward(batch.get(), x, x, nullptr, nullptr, saved, saved, x, nullptr, nullptr, 4),
      NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_backward: flags 4 given, expected NORMKIT_ACCUMULATE (1) and "
               "NORMKIT_FIXED_STATISTICS (2) only");
  EXPECT_EQ(
      normkit_update_running(layer.get(), saved, saved, 0.1, 0.1, NORMKIT_COUNT, running, running),
      NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_update_running: layer normalization has no running statistics");
  EXPECT_EQ(normkit_update_running(batch.get(), saved, saved, 0.1, 0.1, 5, running, running),
            NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_update_running: divisor 5 given, expected NORMKIT_COUNT (0) or "
               "NORMKIT_COUNT_MINUS_ONE (1)");
  EXPECT_EQ(normkit_update_running(batch.get(), nullptr, saved, 0.1, 0.1, 0, running, running),
            NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(), "normkit_update_running: mean is NULL");
  EXPECT_EQ(
      normkit_forward_training(batch.get(), nullptr, nullptr, nullptr, x, saved, saved, nullptr),
      NORMKIT_INVALID_ARGUMENT);
  EXPECT_EQ(normkit_set_num_threads(-1), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(), "threads: -1 given, expected 0 (default) to 1024");
  EXPECT_EQ(normkit_streaming_bandwidth(0), 0);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_streaming_bandwidth: 0 threads given, expected 1 to 1024");
}

TEST(CApi, RefusesBadFusedCalls) {
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  const Plan plain = Create("batch", "BC", {2, 3});
  options.activation = NORMKIT_GELU;
  const Plan gelu = Create("batch", "BC", {2, 3}, options);
  float x[6] = {}, y[6] = {};
  double saved[3] = {};
  normkit_forward_args forward = NORMKIT_FORWARD_ARGS_DEFAULT;
  EXPECT_EQ(normkit_forward_training_fused(plain.get(), nullptr), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(), "normkit_forward_training_fused: args is NULL");
  EXPECT_EQ(normkit_forward_inference_fused(nullptr, &forward, x, x), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(), "normkit_forward_inference_fused: plan is NULL");
  forward.x = forward.residual = x, forward.y = y;
  EXPECT_EQ(normkit_forward_training_fused(plain.get(), &forward), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "batch normalization of BC [2,3]: sum is null, expected an array of 6 f32 elements");
  forward.size = 12;
  EXPECT_EQ(normkit_forward_training_fused(plain.get(), &forward), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_forward_training_fused: args.size is 12, expected 120: start from "
               "NORMKIT_FORWARD_ARGS_DEFAULT");

  normkit_backward_args backward = NORMKIT_BACKWARD_ARGS_DEFAULT;
  EXPECT_EQ(normkit_backward_fused(plain.get(), nullptr), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(), "normkit_backward_fused: args is NULL");
  backward.x = backward.dy = x, backward.mean = backward.rstd = saved, backward.dx = y;
  float daddend[6] = {};
  backward.daddend = daddend;
  EXPECT_EQ(normkit_backward_fused(gelu.get(), &backward), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "batch normalization of BC [2,3]: addend is null, expected an array of 6 f32 "
               "elements");
  backward.daddend = nullptr;
  backward.flags = 8;
  EXPECT_EQ(normkit_backward_fused(plain.get(), &backward), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_backward_fused: flags 8 given, expected NORMKIT_ACCUMULATE (1) and "
               "NORMKIT_FIXED_STATISTICS (2) only");
  backward.size = 0;
  EXPECT_EQ(normkit_backward_fused(plain.get(), &backward), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_backward_fused: args.size is 0, expected 136: start from "
               "NORMKIT_BACKWARD_ARGS_DEFAULT");
}

TEST(CApi, BelievesProgramsThatKnowFewerOptions) {
  // As compiled before negative_slope: what lies behind is not the caller's.
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.size = 40;
  options.activation = NORMKIT_RELU;
  options.negative_slope = -1;
  EXPECT_NE(Create("batch", "BC", {2, 6}, options), nullptr) << normkit_last_error();
  // As compiled before tree, which needs an outermost axis without parameters.
  options = NORMKIT_OPTIONS_DEFAULT;
  options.size = 48;
  options.tree = 1;
  EXPECT_NE(Create("batch", "CB", {2, 6}, options), nullptr) << normkit_last_error();
  options.size = sizeof options;
  EXPECT_EQ(Create("batch", "CB", {2, 6}, options), nullptr);
  // As compiled before activation_alpha.
  options = NORMKIT_OPTIONS_DEFAULT;
  options.activation_alpha = HUGE_VAL;
  EXPECT_EQ(Create("batch", "BC", {2, 6}, options), nullptr);
  options.size = 56;
  EXPECT_NE(Create("batch", "BC", {2, 6}, options), nullptr) << normkit_last_error();
  // As compiled before parameter_axes.
  options = NORMKIT_OPTIONS_DEFAULT;
  options.parameter_axes = "X";
  EXPECT_EQ(Create("batch", "BC", {2, 6}, options), nullptr);
  options.size = 64;
  EXPECT_NE(Create("batch", "BC", {2, 6}, options), nullptr) << normkit_last_error();
}

// The second of three slices of packed rows.
TEST(CApi, TakesArraysAsTheyLie) {
  const int64_t slice[] = {18, 1};
  normkit_strides strides = NORMKIT_STRIDES_DEFAULT;
  strides.x = slice;
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.strides = &strides;
  const Plan plan = Create("layer", "BC", {4, 6}, options), dense = Create("layer", "BC", {4, 6});
  ASSERT_NE(plan, nullptr) << normkit_last_error();
  std::vector<float> packed(72), x(24), y(24), expected(24);
  for (size_t i = 0; i < packed.size(); ++i) packed[i] = static_cast<float>(i * i % 23);
  for (size_t i = 0; i < x.size(); ++i) x[i] = packed[i / 6 * 18 + 6 + i % 6];
  const auto forward = [](const Plan& of, const float* from, std::vector<float>& to) {
    ASSERT_EQ(normkit_forward_training(of.get(), from, nullptr, nullptr, to.data(), nullptr,
                                       nullptr, nullptr),
              NORMKIT_OK)
        << normkit_last_error();
  };
  forward(plan, packed.data() + 6, y);
  forward(dense, x.data(), expected);
  EXPECT_EQ(y, expected);

  strides.size = 8;
  EXPECT_EQ(Create("layer", "BC", {4, 6}, options), nullptr);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_plan_create: options.strides.size is 8, expected 88: start from "
               "NORMKIT_STRIDES_DEFAULT");
  // As compiled before strides.
  options.size = 80;
  EXPECT_NE(Create("layer", "BC", {4, 6}, options), nullptr) << normkit_last_error();
}

// Padding is not read, and is 0 afterwards.
TEST(CApi, TakesLengths) {
  const Plan plan = Create("layer", "BTC", {2, 3, 4}, NORMKIT_OPTIONS_DEFAULT);
  ASSERT_NE(plan, nullptr) << normkit_last_error();
  std::vector<float> x(24, NAN), y(24, NAN), dx(24, NAN);
  for (size_t i = 0; i < 16; ++i) x[i] = static_cast<float>(i * i % 7);  // 3 steps and 1
  const int64_t lengths[] = {3, 1};
  std::vector<double> mean(2), rstd(2);
  normkit_forward_args args = NORMKIT_FORWARD_ARGS_DEFAULT;
  args.x = x.data(), args.y = y.data();
  args.mean = mean.data(), args.rstd = rstd.data();
  args.lengths = lengths;
  ASSERT_EQ(normkit_forward_training_fused(plan.get(), &args), NORMKIT_OK) << normkit_last_error();
  EXPECT_DOUBLE_EQ(mean[1], (x[12] + x[13] + x[14] + x[15]) / 4.0);
  normkit_backward_args back = NORMKIT_BACKWARD_ARGS_DEFAULT;
  back.x = x.data(), back.dy = x.data();
  back.mean = mean.data(), back.rstd = rstd.data();
  back.dx = dx.data();
  back.lengths = lengths;
  ASSERT_EQ(normkit_backward_fused(plan.get(), &back), NORMKIT_OK) << normkit_last_error();
  for (size_t i = 0; i < 24; ++i) {
    EXPECT_TRUE(std::isfinite(y[i]) && std::isfinite(dx[i]));
    EXPECT_TRUE(i < 16 || (y[i] == 0 && dx[i] == 0));
  }
  const int64_t beyond[] = {3, 4};
  args.lengths = beyond;
  EXPECT_EQ(normkit_forward_training_fused(plan.get(), &args), NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "layer normalization of BTC [2,3,4]: lengths[1] is 4, expected 1 to 3 (steps of x, "
               "BTC [2,3,4])");
}

// A mask of steps: what it leaves out is not read.
TEST(CApi, GathersUnderWeights) {
  const Plan plan = Create("batch", "BTC", {1, 4, 2}, NORMKIT_OPTIONS_DEFAULT);
  ASSERT_NE(plan, nullptr) << normkit_last_error();
  const std::vector<float> x{1, 10, NAN, NAN, 5, 30, 0, 50};
  float weights[] = {1, 0, 2, 1};
  normkit_forward_args args = NORMKIT_FORWARD_ARGS_DEFAULT;
  args.x = x.data();
  args.weights = weights;
  normkit_moments moments[2];
  ASSERT_EQ(normkit_gather(plan.get(), 0, NORMKIT_LEAVES, &args, moments), NORMKIT_OK)
      << normkit_last_error();
  EXPECT_EQ(moments[0].n, 4);
  EXPECT_DOUBLE_EQ(moments[0].mean, 11 / 4.0);
  EXPECT_DOUBLE_EQ(moments[1].mean, 30);
  EXPECT_DOUBLE_EQ(moments[1].m2, 800);
  weights[2] = -1;
  EXPECT_EQ(normkit_gather(plan.get(), 0, NORMKIT_LEAVES, &args, moments),
            NORMKIT_INVALID_ARGUMENT);
  EXPECT_STREQ(normkit_last_error(),
               "batch normalization of BTC [1,4,2]: Gather: weights[2] is -1, expected 0 or more");
}

// A gated norm of rows to 8 bits and back: what is left of y.
TEST(CApi, WritesEightBits) {
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  const Plan plain = Create("rms", "BC", {3, 64}, options);
  options.output = NORMKIT_INT8_PER_STATISTIC;
  const Plan plan = Create("rms", "BC", {3, 64}, options);
  ASSERT_NE(plan, nullptr) << normkit_last_error();
  std::vector<float> x(192), gate(192, 0.5f), y(192), scales(3);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i % 23) - 11;
  std::vector<int8_t> narrow(192);
  normkit_forward_args args = NORMKIT_FORWARD_ARGS_DEFAULT;
  args.x = x.data();
  args.gate = gate.data();
  args.y = y.data();
  ASSERT_EQ(normkit_forward_training_fused(plain.get(), &args), NORMKIT_OK);
  args.y = narrow.data();
  args.scales = scales.data();
  ASSERT_EQ(normkit_forward_training_fused(plan.get(), &args), NORMKIT_OK) << normkit_last_error();
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(static_cast<float>(narrow[i]) * scales[i / 64], y[i], 0.51f * scales[i / 64]);
  options.output = 5;
  EXPECT_EQ(Create("rms", "BC", {3, 64}, options), nullptr);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_plan_create: output 5 given, expected NORMKIT_SAME_TYPE (0), NORMKIT_INT8 "
               "(1), ... or NORMKIT_FLOAT8_E4M3 (4)");
}

// Channels of each observation, of bf16, less one: the bits of C++.
TEST(CApi, ParametersOverOtherAxes) {
  const std::vector<int64_t> shape = {3, 4, 5};
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.parameter_axes = "BC";
  options.scale_plus_one = 1;
  options.parameter_dtype = NORMKIT_BF16;
  const Plan plan = Create("layer", "BCS", shape, options);
  ASSERT_NE(plan, nullptr) << normkit_last_error();
  EXPECT_EQ(normkit_plan_num_parameters(plan.get()), 12);
  std::vector<float> x(60), y(60), expected(60);
  std::vector<BFloat16> gamma(12);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i % 17);
  for (size_t i = 0; i < gamma.size(); ++i) gamma[i] = ToBFloat16(static_cast<float>(i) / 4);
  ASSERT_EQ(normkit_forward_training(plan.get(), x.data(), gamma.data(), nullptr, y.data(), nullptr,
                                     nullptr, nullptr),
            NORMKIT_OK)
      << normkit_last_error();
  Normalization(
      kLayerNorm, Layout::Make("BCS", shape), DType::kF32,
      {.parameter_axes = kB | kC, .parameter_dtype = DType::kBF16, .scale_plus_one = true})
      .ForwardTraining(x.data(), gamma.data(), nullptr, expected.data(), {});
  EXPECT_EQ(y, expected);

  options.parameter_dtype = 7;
  EXPECT_EQ(Create("layer", "BCS", shape, options), nullptr);
  EXPECT_STREQ(normkit_last_error(),
               "normkit_plan_create: options.parameter_dtype 7 given, expected NORMKIT_F32 (0), "
               "NORMKIT_F64 (1), NORMKIT_BF16 (2) or NORMKIT_F16 (3)");
}

TEST(CApi, ErrorsBelongToTheirThread) {
  EXPECT_EQ(Create("nonsense", "BC", {2, 3}), nullptr);
  EXPECT_STRNE(normkit_last_error(), "");
  std::thread([] { EXPECT_STREQ(normkit_last_error(), ""); }).join();
}

// The same bits as C++, in every dtype, with ReLU, accumulation and given statistics.
TEST(CApi, SameBitsAsCpp) {
  const std::vector<int64_t> shape = {3, 4, 5};
  const Layout layout = Layout::Make("BCS", shape);
  for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16}) {
    normkit_options options = NORMKIT_OPTIONS_DEFAULT;
    options.activation = NORMKIT_RELU;
    options.epsilon = 1e-3;
    const Plan plan = Create("batch", "BCS", shape, options, static_cast<int32_t>(dtype));
    ASSERT_NE(plan, nullptr);
    const Normalization op(kBatchNorm, layout, dtype,
                           {.epsilon = 1e-3, .activation = Activation::kRelu});
    EXPECT_STREQ(normkit_plan_describe(plan.get()), op.Describe().c_str());

    const size_t bytes = 60 * SizeOf(dtype);
    std::vector<std::byte> x(bytes), dy(bytes);
    for (size_t i = 0; i < bytes; ++i) {  // finite in every dtype: exponents stay small
      x[i] = static_cast<std::byte>(i * 37 % 59);
      dy[i] = static_cast<std::byte>(i * 17 % 61);
    }
    std::vector<std::byte> y[2], dx[2];
    std::vector<double> mean[2], rstd[2], dgamma[2], dbeta[2];
    for (int i = 0; i < 2; ++i) {
      y[i].resize(bytes), dx[i].resize(bytes);
      mean[i].resize(4), rstd[i].resize(4), dgamma[i].resize(4), dbeta[i].resize(4);
    }
    ASSERT_EQ(normkit_forward_training(plan.get(), x.data(), nullptr, nullptr, y[0].data(),
                                       mean[0].data(), rstd[0].data(), nullptr),
              NORMKIT_OK)
        << normkit_last_error();
    op.ForwardTraining(x.data(), nullptr, nullptr, y[1].data(),
                       {.mean = mean[1].data(), .rstd = rstd[1].data()});
    for (int i = 0; i < 2; ++i) dx[i] = y[0];  // something to add to
    ASSERT_EQ(normkit_backward(plan.get(), x.data(), dy.data(), nullptr, nullptr, mean[0].data(),
                               rstd[0].data(), dx[0].data(), dgamma[0].data(), dbeta[0].data(),
                               NORMKIT_ACCUMULATE),
              NORMKIT_OK)
        << normkit_last_error();
    op.Backward({.x = x.data(),
                 .dy = dy.data(),
                 .mean = mean[1].data(),
                 .rstd = rstd[1].data(),
                 .dx = dx[1].data(),
                 .dgamma = dgamma[1].data(),
                 .dbeta = dbeta[1].data(),
                 .accumulate = true});
    EXPECT_EQ(y[0], y[1]);
    EXPECT_EQ(mean[0], mean[1]);
    EXPECT_EQ(rstd[0], rstd[1]);
    EXPECT_EQ(dx[0], dx[1]);
    EXPECT_EQ(dgamma[0], dgamma[1]);
    EXPECT_EQ(dbeta[0], dbeta[1]);
  }
}

// Everything that the fused functions write, by those of C and of C++.
struct Fused {
  using Floats = std::vector<float>;
  Floats sum = Floats(60), y = sum, inferred = sum, dx = sum, daddend = sum;
  Floats dgamma = Floats(4, 3), dbeta = Floats(4, 2);
  std::vector<double> mean = std::vector<double>(4), rstd = mean, variance = mean;
  bool operator==(const Fused&) const = default;
};

struct FusedInputs {
  FusedInputs() {
    for (size_t i = 0; i < 60; ++i) {
      x[i] = static_cast<float>(i * 37 % 59) - 20, residual[i] = static_cast<float>(i * 17 % 61);
      addend[i] = 0.25f * static_cast<float>(i * 23 % 31) - 4;
      dy[i] = 0.125f * static_cast<float>(i * 7 % 13) - 1;
    }
  }
  std::vector<float> x = std::vector<float>(60), residual = x, addend = x, dy = x;
  std::vector<float> gamma = {1, -2, 0.5f, 3}, beta = {0, 1, -1, 2}, given = {1, 2, 3, 4};
};

Fused RunC(const normkit_plan* plan, const FusedInputs& in, bool with_dx) {
  Fused out;
  normkit_forward_args forward = NORMKIT_FORWARD_ARGS_DEFAULT;
  forward.x = in.x.data(), forward.residual = in.residual.data();
  forward.gamma = in.gamma.data(), forward.beta = in.beta.data(), forward.addend = in.addend.data();
  forward.sum = out.sum.data(), forward.y = out.inferred.data();
  EXPECT_EQ(normkit_forward_inference_fused(plan, &forward, in.given.data(), in.given.data()), 0);
  forward.y = out.y.data();
  forward.mean = out.mean.data(), forward.rstd = out.rstd.data();
  forward.variance = out.variance.data();
  EXPECT_EQ(normkit_forward_training_fused(plan, &forward), NORMKIT_OK) << normkit_last_error();

  normkit_backward_args backward = NORMKIT_BACKWARD_ARGS_DEFAULT;
  backward.x = out.sum.data(), backward.y = out.y.data(), backward.dy = in.dy.data();
  backward.addend = in.addend.data();
  backward.gamma = in.gamma.data(), backward.beta = in.beta.data();
  backward.mean = out.mean.data(), backward.rstd = out.rstd.data();
  backward.dx = with_dx ? out.dx.data() : nullptr, backward.daddend = out.daddend.data();
  backward.dgamma = out.dgamma.data(), backward.dbeta = out.dbeta.data();
  backward.flags = NORMKIT_ACCUMULATE | NORMKIT_FIXED_STATISTICS;
  EXPECT_EQ(normkit_backward_fused(plan, &backward), NORMKIT_OK) << normkit_last_error();
  return out;
}

Fused RunCpp(const Normalization& op, const FusedInputs& in, bool with_dx) {
  Fused out;
  Normalization::ForwardArgs forward{.x = in.x.data(),
                                     .gamma = in.gamma.data(),
                                     .beta = in.beta.data(),
                                     .y = out.inferred.data(),
                                     .residual = in.residual.data(),
                                     .sum = out.sum.data(),
                                     .addend = in.addend.data()};
  op.ForwardInference(forward, in.given.data(), in.given.data());
  forward.y = out.y.data();
  forward.saved = {out.mean.data(), out.rstd.data(), out.variance.data()};
  op.ForwardTraining(forward);
  op.Backward({.x = out.sum.data(),
               .dy = in.dy.data(),
               .gamma = in.gamma.data(),
               .beta = in.beta.data(),
               .mean = out.mean.data(),
               .rstd = out.rstd.data(),
               .dx = with_dx ? out.dx.data() : nullptr,
               .dgamma = out.dgamma.data(),
               .dbeta = out.dbeta.data(),
               .y = out.y.data(),
               .addend = in.addend.data(),
               .daddend = out.daddend.data(),
               .accumulate = true,
               .fixed_statistics = true});
  return out;
}

TEST(CApi, FusionsHaveTheBitsOfCpp) {
  const std::vector<int64_t> shape = {3, 4, 5};
  const FusedInputs in;
  for (const auto& [activation, same] : {std::pair{NORMKIT_NO_ACTIVATION, Activation::kNone},
                                         {NORMKIT_RELU, Activation::kRelu},
                                         {NORMKIT_LEAKY_RELU, Activation::kLeakyRelu},
                                         {NORMKIT_GELU, Activation::kGelu},
                                         {NORMKIT_GELU_TANH, Activation::kGeluTanh},
                                         {NORMKIT_SILU, Activation::kSilu},
                                         {NORMKIT_SIGMOID, Activation::kSigmoid},
                                         {NORMKIT_HARD_SWISH, Activation::kHardSwish},
                                         {NORMKIT_ELU, Activation::kElu},
                                         {NORMKIT_SOFTPLUS, Activation::kSoftplus}}) {
    normkit_options options = NORMKIT_OPTIONS_DEFAULT;
    options.activation = activation;
    options.negative_slope = 0.125;
    options.activation_alpha = 0.75;
    const Plan plan = Create("batch", "BCS", shape, options);
    ASSERT_NE(plan, nullptr) << normkit_last_error();
    const Normalization op(kBatchNorm, Layout::Make("BCS", shape), DType::kF32,
                           {.activation = same, .negative_slope = 0.125, .activation_alpha = 0.75});
    for (const bool with_dx : {true, false}) {
      const Fused got = RunC(plan.get(), in, with_dx), expected = RunCpp(op, in, with_dx);
      EXPECT_EQ(got, expected) << activation;
      EXPECT_EQ(got.dx == Fused::Floats(60), !with_dx);
      EXPECT_NE(got.y, got.inferred);
      for (size_t i = 0; i < 60; ++i) ASSERT_EQ(got.sum[i], in.x[i] + in.residual[i]);
    }
  }
}

TEST(CApi, GeluHasTheBitsOfCpp) {
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.activation = NORMKIT_GELU;
  const Plan plan = Create("layer", "BC", {5, 12}, options);
  ASSERT_NE(plan, nullptr) << normkit_last_error();
  const Normalization op(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{5, 12}), DType::kF32,
                         {.activation = Activation::kGelu});
  const FusedInputs in;
  std::vector<float> y[2] = {in.x, in.x};
  ASSERT_EQ(normkit_forward_training(plan.get(), in.x.data(), nullptr, nullptr, y[0].data(),
                                     nullptr, nullptr, nullptr),
            NORMKIT_OK);
  op.ForwardTraining(in.x.data(), nullptr, nullptr, y[1].data(), {});
  EXPECT_EQ(y[0], y[1]);
  EXPECT_LT(*std::ranges::min_element(y[0]), -0.1f);  // where GELU has its minimum, -0.17
  EXPECT_GT(*std::ranges::min_element(y[0]), -0.18f);
}

}  // namespace
}  // namespace normkit
