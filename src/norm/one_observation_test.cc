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
  const std::vector<int64_t> shape{1, static_cast<int64_t>(x.size())};
  return Problem({kBatchNorm, Layout::Make("BC", shape), dtype}, std::move(x));
}

// y, and of the statistics those that are wanted; -7 where nothing is written.
struct Forward {
  std::vector<double> mean, rstd, variance;
  Tensor y;

  explicit Forward(const Problem& p, bool has_mean = true, bool has_rstd = true,
                   bool has_variance = true)
      : y(p.test.layout, p.test.dtype) {
    const Normalization norm(kBatchNorm, p.test.layout, p.test.dtype);
    for (auto* saved : {&mean, &rstd, &variance})
      saved->assign(static_cast<size_t>(p.test.layout.size()), -7);
    norm.ForwardTraining(p.x_tensor.data(), p.gamma_tensor.data(), p.beta_tensor.data(), y.data(),
                         {has_mean ? mean.data() : nullptr, has_rstd ? rstd.data() : nullptr,
                          has_variance ? variance.data() : nullptr});
  }

  std::string Bytes() const {
    std::string bytes(static_cast<const char*>(y.data()), static_cast<size_t>(y.bytes()));
    for (const auto* saved : {&mean, &rstd, &variance})
      bytes.append(reinterpret_cast<const char*>(saved->data()), saved->size() * sizeof(double));
    return bytes;
  }
};

// Some channels hold what is no ordinary number; targets without vectors take each by itself.
TEST_P(OneObservation, AllTargetsGiveTheSameBits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<double> x = cases::Normals(kChannels, 1, 3, 2);
  x[3] = x[4] = -0.0, x[20] = 1e-40, x[21] = 3e38;
  for (const bool special : {false, true}) {
    if (special) x[333] = std::numeric_limits<double>::quiet_NaN(), x[350] = -kInfinity;
    Problem p = MakeProblem(GetParam(), x);
    const auto gamma = p.gamma_tensor.values<float>(), beta = p.beta_tensor.values<float>();
    gamma[3] = -1, gamma[4] = -0.0f, gamma[22] = kInfinity, gamma[23] = -kInfinity;
    gamma[24] = std::numeric_limits<float>::quiet_NaN();
    for (const size_t c : {3, 4, 5, 22, 23}) beta[c] = -0.0f;
    simd::ForceTarget(simd::AvailableTargets().back());
    const std::string expected = cases::ResultsOf(p), plain = Forward(p).Bytes();
    for (const std::string& target : simd::AvailableTargets()) {
      simd::ForceTarget(target);
      for (const bool stream : {false, true}) {
        norm::cpu::WantSchedule({.stream = stream});
        ASSERT_TRUE(cases::ResultsOf(p) == expected) << target << ", " << special << stream;
        ASSERT_TRUE(Forward(p).Bytes() == plain) << target << ", " << special << stream;
      }
    }
  }
}

// Whoever wants but some of the statistics gets those, and the same y; of so many channels tasks
// have statistics of their own.
TEST_P(OneObservation, StatisticsAreSavedOneByOne) {
  for (const int64_t channels : {kChannels, int64_t{70'000}}) {
    const Problem p = MakeProblem(GetParam(), cases::Normals(channels, 1, 3, 2));
    const Forward all(p);
    EXPECT_NE(all.mean.back(), -7);
    const std::vector<double> none(all.mean.size(), -7);
    for (int wanted = 0; wanted < 7; ++wanted) {
      const bool mean = wanted & 1, rstd = wanted & 2, variance = wanted & 4;
      const Forward some(p, mean, rstd, variance);
      EXPECT_TRUE(some.mean == (mean ? all.mean : none)) << channels << ", " << wanted;
      EXPECT_TRUE(some.rstd == (rstd ? all.rstd : none)) << channels << ", " << wanted;
      EXPECT_TRUE(some.variance == (variance ? all.variance : none)) << channels << ", " << wanted;
      EXPECT_EQ(std::memcmp(some.y.data(), all.y.data(), all.y.bytes()), 0) << wanted;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, OneObservation, testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return std::string(Name(test.param)); });

}  // namespace
}  // namespace normkit
