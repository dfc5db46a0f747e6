// NaN of any bits among parameters: rounding to 16 bits must not carry it into the sign, nor may it
// turn into a number on any way to y and dx.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

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

// Layer normalization of [rows, channels] with NaN in a given mean, in gamma, in beta.
void ExpectNansInRows(const std::string& target, DType dtype, int64_t rows, int64_t channels,
                      float nan) {
  Problem p({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{rows, channels}), dtype});
  const std::string where = target + ", " + p.test.ToString();
  const Layout of_rows({{kC, rows}});
  std::vector<double> ones(static_cast<size_t>(rows), 1);
  Tensor mean = cases::MakeTensor(of_rows, DType::kF32, ones);
  mean.values<float>()[3] = nan;
  const Tensor variance = cases::MakeTensor(of_rows, DType::kF32, ones);
  const std::vector<double> given = cases::ToDoubles(
      ForwardInference(kLayerNorm, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, &mean, &variance));
  for (size_t i = 0; i < given.size(); ++i)
    ASSERT_EQ(std::isnan(given[i]), i / static_cast<size_t>(channels) == 3)
        << where << ", given a mean, element " << i;

  const std::pair<Tensor*, size_t> places[] = {{&p.gamma_tensor, 5}, {&p.beta_tensor, 36}};
  for (const auto& [parameter, place] : places) {
    const float before = std::exchange(parameter->values<float>()[place], nan);
    const std::vector<double> y = cases::ToDoubles(
        ForwardTraining(kLayerNorm, p.x_tensor, &p.gamma_tensor, &p.beta_tensor).y);
    parameter->values<float>()[place] = before;
    for (size_t i = 0; i < y.size(); ++i)
      ASSERT_EQ(std::isnan(y[i]), i % static_cast<size_t>(channels) == place)
          << where << ", element " << i;
  }
}

// Where and how parameters are looked at for NaN differs with the number of rows and their length.
TEST_F(NanBits, OfRows) {
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const bool stream : {false, true}) {
      norm::cpu::WantSchedule({.stream = stream});
      for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32})
        for (const uint32_t bits : {0x7fffffffu, 0xffffffffu, 0x7f800001u, 0xffc00000u})
          for (const int64_t rows : {9, 72})
            for (const int64_t channels : {37, 512, 1037})
              ExpectNansInRows(target, dtype, rows, channels, std::bit_cast<float>(bits));
    }
  }
}

// Of finite parameters rows past the caches are rounded in another way than those in them.
TEST_F(NanBits, FiniteOnesGiveTheSameBitsPastTheCaches) {
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const int64_t channels : {37, 512, 4099, 5003, 8192, 16384, 16400}) {
      Problem p({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{72, channels}), DType::kBF16});
      p.x_tensor.values<BFloat16>()[static_cast<size_t>(3 * channels + 1)] = ToBFloat16(NAN);
      const auto y_past = [&](bool stream) {
        norm::cpu::WantSchedule({.stream = stream});
        return ForwardTraining(kLayerNorm, p.x_tensor, &p.gamma_tensor, &p.beta_tensor).y;
      };
      const Tensor in = y_past(false), past = y_past(true);
      ASSERT_EQ(std::memcmp(in.values<BFloat16>().data(), past.values<BFloat16>().data(),
                            in.values<BFloat16>().size_bytes()),
                0)
          << p.test.ToString() << " on " << target;
    }
  }
}

}  // namespace
}  // namespace normkit
