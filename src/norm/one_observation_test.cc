// Batch normalization of one observation, whose elements are their own means: as any number of
// them.
#include <gtest/gtest.h>

#include <limits>

#include "src/norm/case_testing.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Problem;

struct OneObservation : testing::Test {
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    norm::cpu::WantSchedule({});
  }
};

// Some channels hold what is no ordinary number; targets without vectors take each by itself.
TEST_F(OneObservation, AllTargetsGiveTheSameBits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<int64_t> shape{1, 700};
  Problem p(cases::Case{kBatchNorm, Layout::Make("BC", shape), DType::kF32});
  const auto x = p.x_tensor.values<float>();
  const auto gamma = p.gamma_tensor.values<float>(), beta = p.beta_tensor.values<float>();
  x[3] = -0.0f, x[20] = 1e-40f, x[21] = 3e38f;
  gamma[3] = -1, gamma[4] = -0.0f, gamma[22] = kInfinity, gamma[23] = -kInfinity;
  for (const size_t c : {3, 4, 5, 22, 23}) beta[c] = -0.0f;
  for (const bool special : {false, true}) {
    if (special) x[333] = std::numeric_limits<float>::quiet_NaN(), x[350] = -kInfinity;
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

}  // namespace
}  // namespace normkit
