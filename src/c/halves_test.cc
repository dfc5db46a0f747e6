// Parts through the C interface: the bits of the fused functions, and what is refused.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "normkit/c.h"

namespace {

struct PlanDeleter {
  void operator()(normkit_plan* plan) const { normkit_plan_destroy(plan); }
};
using Plan = std::unique_ptr<normkit_plan, PlanDeleter>;
using Floats = std::vector<float>;

struct Case {
  const char *layer, *format;
  std::vector<int64_t> shape;
};

Plan Create(const Case& c, bool tree) {
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  options.tree = tree;
  options.num_groups = std::strcmp(c.layer, "group") == 0 ? 2 : NORMKIT_NO_GROUPS;
  normkit_plan* plan = nullptr;
  EXPECT_EQ(normkit_plan_create(c.layer, c.format, c.shape.data(), c.shape.size(), NORMKIT_F32,
                                &options, &plan),
            NORMKIT_OK)
      << normkit_last_error();
  return Plan(plan);
}

struct Arrays {
  Arrays(const normkit_plan* plan, size_t size)
      : x(size),
        residual(size),
        dy(size),
        sum(size),
        y(size),
        dx(size),
        daddend(size),
        gamma(static_cast<size_t>(normkit_plan_num_parameters(plan))),
        dgamma(gamma),
        dbeta(gamma),
        mean(static_cast<size_t>(normkit_plan_num_statistics(plan))),
        rstd(mean),
        variance(mean) {
    for (size_t i = 0; i < size; ++i) {
      x[i] = static_cast<float>(i * 37 % 59) - 20, residual[i] = static_cast<float>(i * 17 % 61);
      dy[i] = 0.125f * static_cast<float>(i * 7 % 13) - 1;
    }
    for (size_t i = 0; i < gamma.size(); ++i) gamma[i] = 0.5f + static_cast<float>(i % 3);
  }
  // From this element and statistic on.
  normkit_forward_args Forward(size_t at, size_t statistic) {
    normkit_forward_args args = NORMKIT_FORWARD_ARGS_DEFAULT;
    args.x = x.data() + at, args.residual = residual.data() + at, args.sum = sum.data() + at;
    args.gamma = gamma.data(), args.y = y.data() + at;
    args.mean = mean.data() + statistic, args.rstd = rstd.data() + statistic;
    args.variance = variance.data() + statistic;
    return args;
  }
  normkit_backward_args Backward(size_t at, size_t statistic) {
    normkit_backward_args args = NORMKIT_BACKWARD_ARGS_DEFAULT;
    args.x = sum.data() + at, args.dy = dy.data() + at, args.gamma = gamma.data();
    args.mean = mean.data() + statistic, args.rstd = rstd.data() + statistic;
    args.dx = dx.data() + at, args.daddend = daddend.data() + at, args.y = y.data() + at;
    args.dgamma = dgamma.data(), args.dbeta = dbeta.data();
    return args;
  }
  bool operator==(const Arrays&) const = default;

  Floats x, residual, dy, sum, y, dx, daddend, gamma, dgamma, dbeta;
  std::vector<double> mean, rstd, variance;
};

#define ASSERT_OK(call) ASSERT_EQ(call, NORMKIT_OK) << normkit_last_error()

// The parts that end at these leaves, each behind the one before.
void InParts(const normkit_plan* plan, Arrays& arrays, const std::vector<int32_t>& ends) {
  const auto rows = static_cast<size_t>(normkit_plan_leaf_begin(plan, NORMKIT_LEAVES));
  const size_t row = arrays.x.size() / rows;
  const bool joins = normkit_plan_joins(plan) == 1;
  std::vector<normkit_moments> moments(
      static_cast<size_t>(normkit_plan_num_moments(plan, 0, NORMKIT_LEAVES)));
  std::vector<double> sums(static_cast<size_t>(normkit_plan_num_sums(plan, 0, NORMKIT_LEAVES)));
  // f(first, last, its first element, its first statistic, its moments, its sums)
  const auto for_parts = [&](const auto& f) {
    int32_t first = 0;
    size_t own_moments = 0, own_sums = 0;
    for (const int32_t last : ends) {
      const auto begin = static_cast<size_t>(normkit_plan_leaf_begin(plan, first));
      f(first, last, begin * row, joins ? 0 : own_moments, moments.data() + own_moments,
        sums.data() + own_sums);
      own_moments += static_cast<size_t>(normkit_plan_num_moments(plan, first, last));
      own_sums += static_cast<size_t>(normkit_plan_num_sums(plan, first, last));
      first = last;
    }
  };
  for_parts([&](int32_t first, int32_t last, size_t at, size_t statistic, auto* own, double*) {
    const normkit_forward_args args = arrays.Forward(at, statistic);
    ASSERT_OK(normkit_gather(plan, first, last, &args, own));
    if (joins) return;
    ASSERT_OK(normkit_finish(plan, first, last, own, args.mean, args.rstd, args.variance));
  });
  if (joins) {
    ASSERT_OK(normkit_join_moments(plan, moments.data()));
    ASSERT_OK(normkit_finish(plan, 0, NORMKIT_LEAVES, moments.data(), arrays.mean.data(),
                             arrays.rstd.data(), arrays.variance.data()));
  }
  for_parts([&](int32_t first, int32_t last, size_t at, size_t statistic, auto*, double*) {
    const normkit_forward_args args = arrays.Forward(at, statistic);
    ASSERT_OK(normkit_apply(plan, first, last, &args));
  });
  for_parts([&](int32_t first, int32_t last, size_t at, size_t statistic, auto*, double* own) {
    const normkit_backward_args args = arrays.Backward(at, statistic);
    ASSERT_OK(normkit_gather_gradient(plan, first, last, &args, own));
  });
  ASSERT_OK(normkit_join_sums(plan, sums.data()));
  for_parts([&](int32_t first, int32_t last, size_t at, size_t statistic, auto*, double*) {
    const normkit_backward_args args = arrays.Backward(at, statistic);
    ASSERT_OK(normkit_apply_gradient(plan, first, last, &args, sums.data()));
  });
}

TEST(CHalves, PartsHaveTheBitsOfTheWhole) {
  const Case cases[] = {{"batch", "BC", {37, 5}},     {"batch", "BCSS", {5, 4, 3, 2}},
                        {"layer", "BSC", {20, 3, 4}}, {"instance", "BCS", {18, 3, 7}},
                        {"group", "BCS", {3, 4, 5}},  {"rms", "BC", {33, 8}}};
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.layer) + " " + c.format);
    size_t size = 1;
    for (const int64_t axis : c.shape) size *= static_cast<size_t>(axis);
    const Plan plan = Create(c, true);
    Arrays whole(plan.get(), size);
    const normkit_forward_args forward = whole.Forward(0, 0);
    ASSERT_OK(normkit_forward_training_fused(plan.get(), &forward));
    const normkit_backward_args backward = whole.Backward(0, 0);
    ASSERT_OK(normkit_backward_fused(plan.get(), &backward));
    for (const auto& ends : std::vector<std::vector<int32_t>>{{16}, {8, 16}, {1, 6, 6, 15, 16}}) {
      Arrays parts(plan.get(), size);
      InParts(plan.get(), parts, ends);
      EXPECT_TRUE(parts == whole) << ends.size() << " parts";
    }
  }
}

TEST(CHalves, OneLeafWithoutATree) {
  const Plan plan = Create({"batch", "BC", {8, 3}}, false);
  EXPECT_EQ(normkit_plan_num_moments(plan.get(), 0, NORMKIT_LEAVES), 3);
  EXPECT_EQ(normkit_plan_num_moments(plan.get(), 0, 8), -1);
  Arrays whole(plan.get(), 24), part(plan.get(), 24);
  const normkit_forward_args args = whole.Forward(0, 0);
  ASSERT_OK(normkit_forward_training_fused(plan.get(), &args));
  InParts(plan.get(), part, {16});
  EXPECT_EQ(part.y, whole.y);
}

// A call and what is said about it; nothing is written.
TEST(CHalves, RefusesWhatDoesNotFit) {
  const Plan plan = Create({"batch", "BC", {8, 3}}, true),
             flat = Create({"batch", "BC", {8, 3}}, false);
  const Plan layer = Create({"layer", "BC", {8, 3}}, true);
  Arrays arrays(plan.get(), 24);
  const normkit_forward_args forward = arrays.Forward(0, 0);
  const normkit_backward_args backward = arrays.Backward(0, 0);
  std::vector<normkit_moments> moments(48);
  std::vector<double> sums(16 * 12);
  const auto expect = [](normkit_status status, const char* text) {
    EXPECT_EQ(status, NORMKIT_INVALID_ARGUMENT) << text;
    EXPECT_STREQ(normkit_last_error(), text);
  };
  expect(normkit_gather(nullptr, 0, 16, &forward, moments.data()), "normkit_gather: plan is NULL");
  expect(normkit_gather(plan.get(), 0, 16, nullptr, moments.data()),
         "normkit_gather: args is NULL");
  expect(normkit_gather(plan.get(), 0, 16, &forward, nullptr), "normkit_gather: moments is NULL");
  expect(normkit_join_moments(plan.get(), nullptr), "normkit_join_moments: moments is NULL");
  expect(normkit_finish(plan.get(), 0, 16, nullptr, nullptr, nullptr, nullptr),
         "normkit_finish: moments is NULL");
  expect(normkit_finish(layer.get(), 3, 2, moments.data(), nullptr, nullptr, nullptr),
         "normkit_finish: leaves [3,2) given, expected a run of [0,16)");
  expect(normkit_gather_gradient(plan.get(), 0, 16, &backward, nullptr),
         "normkit_gather_gradient: sums is NULL");
  expect(normkit_join_sums(plan.get(), nullptr), "normkit_join_sums: sums is NULL");
  expect(normkit_apply_gradient(plan.get(), 0, 16, &backward, nullptr),
         "normkit_apply_gradient: sums is NULL");
  for (const auto& [first, last] : {std::pair{-1, 4}, {0, 17}, {3, 2}}) {
    const std::string leaves = "leaves [" + std::to_string(first) + "," + std::to_string(last) +
                               ") given, expected a run of [0,16)";
    const auto text = [&](const char* function) { return function + (": " + leaves); };
    expect(normkit_gather(plan.get(), first, last, &forward, moments.data()),
           text("normkit_gather").c_str());
    expect(normkit_apply(plan.get(), first, last, &forward), text("normkit_apply").c_str());
    expect(normkit_gather_gradient(plan.get(), first, last, &backward, sums.data()),
           text("normkit_gather_gradient").c_str());
    expect(normkit_apply_gradient(plan.get(), first, last, &backward, sums.data()),
           text("normkit_apply_gradient").c_str());
    EXPECT_EQ(normkit_plan_num_moments(plan.get(), first, last), -1);
    EXPECT_EQ(normkit_plan_num_sums(plan.get(), first, last), -1);
  }
  expect(normkit_apply(flat.get(), 0, 8, &forward),
         "normkit_apply: leaves [0,8) given, expected [0,16), for the plan has no tree");
  EXPECT_EQ(normkit_plan_joins(nullptr), -1);
  EXPECT_EQ(normkit_plan_joins(layer.get()), 0);
  EXPECT_EQ(normkit_plan_leaf_begin(plan.get(), 17), -1);
  EXPECT_EQ(normkit_plan_leaf_begin(plan.get(), 16), 8);
}

}  // namespace
