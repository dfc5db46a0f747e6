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

// dx, dgamma and dbeta of one observation; -7 where nothing is written.
struct Backward {
  Tensor dx;
  std::vector<float> dgamma, dbeta;

  Backward(const Problem& p, const Forward& forward, const Tensor& dy, bool accumulate,
           bool has_dgamma = true, bool has_dbeta = true, const NormOptions& options = {})
      : dx(p.test.layout, p.test.dtype) {
    const auto n = static_cast<size_t>(dx.size());
    std::memset(dx.data(), accumulate ? 0 : 1, static_cast<size_t>(dx.bytes()));
    dgamma.assign(n, accumulate ? 0 : -7), dbeta = dgamma;
    Normalization::BackwardArgs args{.x = p.x_tensor.data(), .dy = dy.data()};
    args.gamma = p.gamma_tensor.data(), args.dx = dx.data(), args.accumulate = accumulate;
    args.mean = forward.mean.data(), args.rstd = forward.rstd.data();
    args.beta = p.beta_tensor.data();
    args.dgamma = has_dgamma ? dgamma.data() : nullptr;
    args.dbeta = has_dbeta ? dbeta.data() : nullptr;
    Normalization(kBatchNorm, p.test.layout, p.test.dtype, options).Backward(args);
  }
};

std::string Bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// xhat and dx are 0. To add to zeros goes by the sums of any number of observations.
TEST_P(OneObservation, GradientsAreThoseOfSums) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const int64_t channels : {kChannels, int64_t{300'001}}) {
    std::vector<double> x = cases::Normals(channels, 1, 3, 2),
                        dy = cases::Normals(channels, 2, 0, 1);
    dy[1] = 0, dy[2] = -0.0, dy[3] = 1e-40, x[4] = 1e-40, x[5] = kNaN, x[6] = -kInfinity;
    dy[7] = kNaN, dy[8] = kInfinity, dy[9] = -kInfinity, x.back() = kNaN, dy.back() = -0.0;
    const Problem p = MakeProblem(GetParam(), std::move(x));
    const Tensor incoming = cases::MakeTensor(p.test.layout, p.test.dtype, dy);
    const Forward forward(p);
    const Backward sums(p, forward, incoming, /*accumulate=*/true);
    const Backward both(p, forward, incoming, false),
        gamma(p, forward, incoming, false, true, false);
    const Backward beta(p, forward, incoming, false, false, true);
    const std::string unwritten = Bytes(std::vector<float>(both.dbeta.size(), -7));
    EXPECT_TRUE(Bytes(both.dgamma) == Bytes(sums.dgamma) && Bytes(both.dbeta) == Bytes(sums.dbeta));
    EXPECT_TRUE(Bytes(gamma.dgamma) == Bytes(sums.dgamma) && Bytes(gamma.dbeta) == unwritten);
    EXPECT_TRUE(Bytes(beta.dbeta) == Bytes(sums.dbeta) && Bytes(beta.dgamma) == unwritten);
    const NormOptions relu{.activation = Activation::kRelu};
    const Backward through(p, forward, incoming, false, true, true, relu);
    const Backward added(p, forward, incoming, true, true, true, relu);
    EXPECT_TRUE(Bytes(through.dgamma) == Bytes(added.dgamma));
    EXPECT_TRUE(Bytes(through.dbeta) == Bytes(added.dbeta));
    EXPECT_FALSE(Bytes(through.dbeta) == Bytes(both.dbeta));
    for (const Backward* backward : {&sums, &both, &gamma, &beta, &through, &added})
      EXPECT_EQ(cases::ToDoubles(backward->dx), std::vector<double>(both.dbeta.size(), 0.0));
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, OneObservation,
                         testing::Values(DType::kF32, DType::kBF16, DType::kF16),
                         [](const auto& test) { return std::string(Name(test.param)); });

}  // namespace
}  // namespace normkit
