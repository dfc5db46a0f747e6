// Statistics of numbers that are tiny, and of those that only seem so: by the first of them, or
// since they cancel. Against the definition; of the bound as many rounding errors as in
// Targets.ValuesWhoseSquaresLeaveTheRange.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "src/norm/case_bounds.h"
#include "src/norm/case_testing.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

struct Kind {
  const char* name;
  double (*value)(double v, int64_t i, int64_t n);  // i-th of a statistic's n
};
constexpr Kind kKinds[] = {
    {"tiny", [](double v, int64_t, int64_t) { return v * 1e-20; }},
    {"denormal", [](double v, int64_t, int64_t) { return v * 1e-40; }},
    {"tiny at first", [](double v, int64_t i, int64_t) { return i < 40 ? v * 1e-20 : v; }},
    {"one at the end", [](double v, int64_t i, int64_t n) { return i < n - 1 ? v * 1e-20 : 1; }},
    {"alike", [](double, int64_t, int64_t) { return 1e-30; }},
    {"that cancel",
     [](double v, int64_t i, int64_t) { return i == 0   ? 3.0
                                               : i == 1 ? -3.0
                                                        : v * 1e-20; }},
};
// Below, squares of f32 may be lost, and no epsilon lets it be seen.
constexpr double kLeastVariance = 1e-45;

// As rows of n elements, or as columns.
Problem MakeProblem(const NormSpec& spec, int64_t n, const Kind& kind) {
  const bool columns = spec.reduce == kBatchNorm.reduce;
  const int64_t width = columns ? 70 : n, rows = columns ? n : 21;
  const Case test{spec, Layout::Make("BC", std::vector<int64_t>{rows, width})};
  std::vector<double> values = cases::Normals(test.layout.size(), 1, 0.5, 1);
  for (int64_t i = 0; i < test.layout.size(); ++i) {
    double& v = values[static_cast<size_t>(i)];
    // In columns first those that call for a scale, in all vectors.
    const bool scaled = columns && i % width % 4 == 0;
    v = (scaled ? kKinds[0] : kind).value(v, columns ? i / width : i % width, n);
  }
  return Problem(test, values);
}

void ExpectSameBits(const NormResult& got, const NormResult& first, const std::string& what) {
  const auto same = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
  };
  EXPECT_TRUE(same(got.mean, first.mean)) << what;
  EXPECT_TRUE(same(got.variance, first.variance)) << what;
  EXPECT_EQ(std::memcmp(got.y.data(), first.y.data(), got.y.bytes()), 0) << what;
}

TEST(TinyNumbers, AndThoseThatSeemSo) {
  constexpr double kEpsilon = 0x1p-126;
  for (const auto& [spec, n] : {std::pair{kLayerNorm, 20},
                                {kLayerNorm, 64},
                                {kLayerNorm, 300},
                                {kLayerNorm, 512},
                                {kLayerNorm, 1024},
                                {kLayerNorm, 1500},
                                {kBatchNorm, 3},
                                {kBatchNorm, 8},
                                {kBatchNorm, 12},
                                {kBatchNorm, 60},
                                {kBatchNorm, 300}}) {
    for (const Kind& kind : kKinds) {
      const Problem p = MakeProblem(spec, n, kind);
      const auto exact = reference::ComputeStatistics(p.inputs()).variance;
      NormResult first;
      for (const std::string& target : simd::AvailableTargets()) {
        simd::ForceTarget(target);
        const std::string what = p.test.ToString() + ", " + kind.name + " on " + target;
        auto got = ForwardTraining(spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor,
                                   {.epsilon = kEpsilon});
        for (size_t s = 0; s < exact.size(); ++s) {
          const double most = exact[s] < kLeastVariance ? kLeastVariance : 140 * 0x1p-24 * exact[s];
          EXPECT_NEAR(got.variance[s], exact[s], most) << what;
        }
        EXPECT_LE(cases::WorstForwardFraction(p, got.y, kEpsilon), 1) << what;
        if (first.mean.empty())
          first = std::move(got);
        else
          ExpectSameBits(got, first, what);
      }
    }
  }
  simd::ForceTarget(simd::AvailableTargets().front());
}

struct Shape {
  NormSpec spec;
  const char* format;
  std::vector<int64_t> shape;
};

// Units of one block, ordinary ones beside such whose first sums are of no use: as in two passes,
// and on every target.
TEST(TinyNumbers, BesideOthersHaveTheBitsOfTwoPasses) {
  const Shape shapes[] = {
      {kLayerNorm, "BC", {16, 7}},           {kRmsNorm, "BC", {16, 2}},
      {kLayerNorm, "BC", {16, 64}},          {kLayerNorm, "BC", {16, 300}},
      {kLayerNorm, "BC", {16, 1024}},        {kRmsNorm, "BC", {16, 300}},
      {kInstanceNorm, "BCSS", {4, 4, 5, 4}}, {kGroupNorm, "BSSC", {4, 4, 4, 64}}};
  for (const auto& [spec, format, shape] : shapes)
    for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16}) {
      const Case test{spec, cases::InGroups(spec, Layout::Make(format, shape), 4), dtype};
      std::vector<double> x = cases::Normals(test.layout.size(), 1, 0.5, 1);
      const int64_t n = test.layout.size() / 16;
      for (int64_t i = 0; i < test.layout.size(); ++i) {
        double& v = x[static_cast<size_t>(i)];
        const int64_t place = i % n, unit = i / n % 8;
        if (unit == 1) v *= 1e25;
        if (unit == 2 && place == n - 1) v = -std::numeric_limits<double>::infinity();
        if (unit == 3) v = place < 32 ? 1000 : 0;
        if (unit == 4 && place == 5) v = std::numeric_limits<double>::quiet_NaN();
        if (unit == 5) v *= 1e-40;
        if (unit == 6) v *= dtype == DType::kF64 ? 1e200 : 1e-20;
        if (unit == 7) v = 1e-20 * (1 + 1e-7 * static_cast<double>(place % 3));
      }
      const Problem p(test, x);
      std::string expected;
      for (const std::string& target : simd::AvailableTargets()) {
        simd::ForceTarget(target);
        for (const bool fused : {false, true}) {
          norm::cpu::WantSchedule({.fused = fused});
          const std::string results = cases::ResultsOf(p);
          if (expected.empty()) expected = results;
          EXPECT_TRUE(results == expected) << test.ToString() << " on " << target << ", " << fused;
        }
      }
    }
  norm::cpu::WantSchedule({});
  simd::ForceTarget(simd::AvailableTargets().front());
}

// y of denormal numbers, and of rows and runs that begin with one, as where no product is made
// otherwise for them. Without beta, beside which they would not be seen.
TEST(TinyNumbers, HaveTheBitsOfPlainProducts) {
  const Shape shapes[] = {
      {kLayerNorm, "BCSS", {3, 5, 7, 7}},  {kLayerNorm, "BCSS", {3, 4, 16, 16}},
      {kLayerNorm, "BSSC", {3, 4, 4, 64}}, {kLayerNorm, "BC", {2, 3000}},
      {kBatchNorm, "BSSC", {4, 4, 4, 64}}, {kBatchNorm, "BC", {40, 70}},
      {kBatchNorm, "BCSS", {4, 6, 4, 4}},  {kBatchNorm, "BCSS", {4, 6, 16, 16}},
      {kGroupNorm, "BCSS", {3, 8, 5, 5}},  {kInstanceNorm, "BCSS", {3, 8, 7, 7}}};
  const std::vector<std::string> targets = simd::AvailableTargets();
  for (const auto& [spec, format, shape] : shapes)
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const Case test{spec, cases::InGroups(spec, Layout::Make(format, shape), 4), dtype};
      for (const bool all : {true, false}) {  // or what runs begin with, and zeros with a sign
        std::vector<double> x = cases::Normals(test.layout.size(), 1, 0, 1);
        for (size_t i = 0; i < x.size(); ++i) {
          if (all || i % 7 == 0) x[i] *= 1e-39;
          if (!all && i % 11 == 5) x[i] = -0.0;
        }
        const Problem p(test, x);
        const auto result_on = [&](const std::string& target) {
          simd::ForceTarget(target);
          return ForwardTraining(spec, p.x_tensor, &p.gamma_tensor, nullptr, {.epsilon = 1e-5});
        };
        const NormResult plain = result_on(targets.back());
        for (const std::string& target : targets)
          ExpectSameBits(result_on(target), plain, test.ToString() + " on " + target);
      }
    }
  simd::ForceTarget(targets.front());
}

}  // namespace
}  // namespace normkit
