// What the C interface refuses, and that it computes what the C++ one does. tests/c_api_test.c
// shows that the header is C.
#include <gtest/gtest.h>

#include <thread>
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
            "group normalization of BC [2,6]: -3 groups given, expected 1 or more");
  EXPECT_EQ(CreateError("rms", "BC", {2, 6}, Options(0, "auto")),
            "rms normalization of BC [2,6]: operation dimension 'auto' given, but only layer "
            "normalization has one");
  EXPECT_NE(CreateError("layer", "BC", {2, 6}, Options(0, "channels")).find("channels"),
            std::string::npos);
  EXPECT_NE(CreateError("bach", "BC", {2, 6}).find("bach"), std::string::npos);
  EXPECT_EQ(CreateError("batch", "BX", {2, 6}),
            "format 'BX': letter 'X' is unknown, expected B, T, S and C");
  EXPECT_EQ(CreateError("batch", "BCS", {2, 6}),
            "normkit_plan_create: format 'BCS' has 3 letters, rank is 2");
  EXPECT_EQ(CreateError("batch", nullptr, {2, 6}), "normkit_plan_create: format is NULL");
  EXPECT_EQ(CreateError(nullptr, "BC", {2, 6}), "normkit_plan_create: layer is NULL");
  EXPECT_EQ(CreateError("batch", "BC", {2, -6}), "layout: axis C has size -6, expected >= 0");
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, Options(0), 9),
            "normkit_plan_create: dtype 9 given, expected NORMKIT_F32 (0), NORMKIT_F64 (1), "
            "NORMKIT_BF16 (2) or NORMKIT_F16 (3)");
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.activation = 7;
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, options),
            "normkit_plan_create: activation 7 given, expected NORMKIT_NO_ACTIVATION (0) or "
            "NORMKIT_RELU (1)");
  options = NORMKIT_OPTIONS_DEFAULT;
  options.epsilon = 0;
  EXPECT_NE(CreateError("batch", "BC", {2, 6}, options).find("epsilon"), std::string::npos);
  options = NORMKIT_OPTIONS_DEFAULT;
  options.size = 8;
  EXPECT_EQ(CreateError("batch", "BC", {2, 6}, options),
            "normkit_plan_create: options.size is 8, expected 40: start from "
            "NORMKIT_OPTIONS_DEFAULT");
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

}  // namespace
}  // namespace normkit
