#include "src/norm/plan.h"

#include <gtest/gtest.h>

#include "normkit/norm/spec.h"
#include "src/norm/cases.h"
#include "src/norm/reference.h"

namespace normkit {
namespace {

std::string PlanOf(const NormSpec& spec, const Layout& layout) {
  return MakePlan(layout, static_cast<Dims>(~spec.reduce), spec.affine).ToString();
}

TEST(Plan, StringsOfTheDesign) {
  const Layout nchw = Layout::Make("BCSS", std::vector<int64_t>{8, 64, 28, 28});
  const Layout nhwc = Layout::Make("BSSC", std::vector<int64_t>{8, 28, 28, 64});
  EXPECT_EQ(PlanOf(kBatchNorm, nchw), "RKR");
  EXPECT_EQ(PlanOf(kBatchNorm, nhwc), "RK");
  EXPECT_EQ(PlanOf(kLayerNorm, nchw), "KR");
  EXPECT_EQ(PlanOf(kInstanceNorm, nchw), "KR");
  EXPECT_EQ(PlanOf(kGroupNorm, nchw.SplitChannels(32)), "KR");
  EXPECT_EQ(PlanOf(kInstanceNorm, nhwc), "KRK");
  EXPECT_EQ(PlanOf(kGroupNorm, nhwc.SplitChannels(32)), "KRKR");
  EXPECT_EQ(PlanOf(kLayerNormChannelOnly, nchw), "KRK");
}

TEST(Plan, MergesNeighboursOfOneRoleOnly) {
  const Plan plan = MakePlan(Layout::Make("BCSS", std::vector<int64_t>{8, 64, 28, 14}), kB, kC);
  const std::vector<Level> expected = {
      {8, 64 * 392, 1, 0, true}, {64, 392, 0, 1, false}, {392, 1, 0, 0, false}};
  EXPECT_EQ(plan.levels, expected);
  EXPECT_EQ(plan.num_stat, 8);
  EXPECT_EQ(plan.num_param, 64);
  EXPECT_EQ(plan.num_reduced, 64 * 392);
}

TEST(Plan, AxesOfOneElementLeaveNoLevel) {
  const Plan plan =
      MakePlan(Layout::Make("BCSS", std::vector<int64_t>{1, 64, 1, 1}), kG | kC, kG | kC);
  ASSERT_EQ(plan.levels.size(), 1u);
  EXPECT_EQ(plan.num_reduced, 1);
}

TEST(Plan, AddressesEveryElementOnceWithTheRightIndices) {
  for (const auto& test : cases::AllCases(DType::kF32)) {
    const Dims kept = static_cast<Dims>(~test.spec.reduce);
    const Plan plan = MakePlan(test.layout, kept, test.spec.affine);
    const auto stat = reference::IndexOver(test.layout, kept);
    const auto param = reference::IndexOver(test.layout, test.spec.affine);
    std::vector<int64_t> counter(plan.levels.size());
    for (int64_t i = 0; i < plan.size; ++i) {
      int64_t x = 0, s = 0, p = 0, rest = i;
      for (auto level = plan.levels.rbegin(); level != plan.levels.rend(); ++level) {
        const int64_t k = rest % level->size;
        rest /= level->size;
        x += k * level->x_stride, s += k * level->stat_stride, p += k * level->param_stride;
      }
      ASSERT_EQ(x, i) << test.ToString();
      ASSERT_EQ(s, stat[static_cast<size_t>(i)]) << test.ToString();
      ASSERT_EQ(p, param[static_cast<size_t>(i)]) << test.ToString();
    }
  }
}

}  // namespace
}  // namespace normkit
