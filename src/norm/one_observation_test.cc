// Batch normalization of one observation, whose elements are their own means: as any number of
// them.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "src/norm/case_testing.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Problem;

struct OneObservation : testing::TestWithParam<DType> {
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    norm::cpu::WantSchedule({});
  }
};

constexpr int64_t kChannels = 700;

Problem MakeProblem(DType dtype, std::vector<double> x) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{1, kChannels});
  return Problem({kBatchNorm, layout, dtype}, std::move(x));
}

// Some channels hold what is no ordinary number; targets without vectors take each by itself.
TEST_P(OneObservation, AllTargetsGiveTheSameBits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<double> x = cases::Normals(kChannels, 1, 3, 2);
  x[3] = -0.0, x[20] = 1e-40, x[21] = 3e38;
  for (const bool special : {false, true}) {
    if (special) x[333] = std::numeric_limits<double>::quiet_NaN(), x[350] = -kInfinity;
    Problem p = MakeProblem(GetParam(), x);
    const auto gamma = p.gamma_tensor.values<float>(), beta = p.beta_tensor.values<float>();
    gamma[3] = -1, gamma[4] = -0.0f, gamma[22] = kInfinity, gamma[23] = -kInfinity;
    gamma[24] = std::numeric_limits<float>::quiet_NaN();
    for (const size_t c : {3, 4, 5, 22, 23}) beta[c] = -0.0f;
    simd::ForceTarget(simd::AvailableTargets().back());
    const std::string expected = cases::ResultsOf(p);
    for (const std::string& target : simd::AvailableTargets()) {
      simd::ForceTarget(target);
      for (const bool stream : {false, true}) {
        norm::cpu::WantSchedule({.stream = stream});
        ASSERT_TRUE(cases::ResultsOf(p) == expected) << target << ", " << special << stream;
      }
    }
  }
}

// Whoever wants but some of the statistics gets those, and the same y.
TEST_P(OneObservation, StatisticsAreSavedOneByOne) {
  const Problem p = MakeProblem(GetParam(), cases::Normals(kChannels, 1, 3, 2));
  const Normalization norm(kBatchNorm, p.test.layout, GetParam());
  const auto results = [&](bool mean, bool rstd, bool variance) {
    struct {
      std::vector<double> mean, rstd, variance;
      Tensor y;
    } r{{}, {}, {}, Tensor(p.test.layout, GetParam())};
    for (auto* saved : {&r.mean, &r.rstd, &r.variance}) saved->assign(kChannels, -7);
    norm.ForwardTraining(p.x_tensor.data(), p.gamma_tensor.data(), p.beta_tensor.data(), r.y.data(),
                         {mean ? r.mean.data() : nullptr, rstd ? r.rstd.data() : nullptr,
                          variance ? r.variance.data() : nullptr});
    return r;
  };
  const auto all = results(true, true, true);
  EXPECT_NE(all.mean[kChannels - 1], -7);
  const std::vector<double> none(kChannels, -7);
  for (int wanted = 0; wanted < 7; ++wanted) {
    const bool mean = wanted & 1, rstd = wanted & 2, variance = wanted & 4;
    const auto some = results(mean, rstd, variance);
    EXPECT_EQ(some.mean, mean ? all.mean : none) << wanted;
    EXPECT_EQ(some.rstd, rstd ? all.rstd : none) << wanted;
    EXPECT_EQ(some.variance, variance ? all.variance : none) << wanted;
    EXPECT_EQ(std::memcmp(some.y.data(), all.y.data(), all.y.bytes()), 0) << wanted;
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, OneObservation, testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return std::string(Name(test.param)); });

}  // namespace
}  // namespace normkit
