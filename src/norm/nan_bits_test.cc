// NaN of any bits among what belongs to cells: rounding to 16 bits must not carry it into the sign,
// nor may it turn into a number on any way to y and dx.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "src/norm/case_bounds.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Problem;

constexpr int64_t kChannel = 1;  // whose parameters are NaN

struct NanBits : testing::Test {
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    norm::cpu::WantSchedule({});
  }
};

// The elements of one channel and no others.
void ExpectNanOfChannel(const Problem& p, const Tensor& tensor, const std::string& where) {
  const std::vector<double> values = cases::ToDoubles(tensor);
  const auto channel = reference::IndexOver(p.test.layout, p.test.spec.affine);
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(std::isnan(values[i]), channel[i] == kChannel) << where << ", element " << i;
}

TEST_F(NanBits, OfCells) {
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const bool stream : {false, true}) {
      norm::cpu::WantSchedule({.stream = stream});
      for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
        for (const uint32_t bits : {0x7fffffffu, 0xffffffffu, 0x7f800001u, 0xffc00000u}) {
          for (const int64_t length : {6, 49, 67, 130, 196, 1030}) {
            Problem p({kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{5, 3, length}), dtype});
            const auto nan = std::bit_cast<float>(bits);
            p.gamma_tensor.values<float>()[kChannel] = nan;
            const NormResult of_gamma =
                ForwardTraining(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
            const std::string where = target + ", " + p.test.ToString();
            ExpectNanOfChannel(p, of_gamma.y, where);
            ExpectNanOfChannel(p, cases::GradientsOf(p, of_gamma).dx, where + ", dx");
            p.gamma_tensor.values<float>()[kChannel] = 1;
            p.beta_tensor.values<float>()[kChannel] = nan;
            const NormResult of_beta =
                ForwardTraining(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
            ExpectNanOfChannel(p, of_beta.y, where + ", beta");
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace normkit
