// The backward pass from y against the one from x.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "normkit/core/threads.h"
#include "src/core/testing.h"
#include "src/norm/case_data.h"
#include "src/norm/cpu/backward.h"
#include "src/norm/cpu/geometry.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/norm/slabs.h"
#include "src/norm/test_reducers.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;
using norm::cpu::Geometry;
using norm::cpu::WantSchedule;

constexpr double kSlope = 0.25;

// A problem whose gamma has an inverse of moderate size.
Problem Invertible(const Case& test) {
  Problem p(test);
  for (double& gamma : p.gamma) gamma = std::copysign(std::max(0.25, std::abs(gamma)), gamma);
  p.gamma_tensor = cases::MakeTensor(p.gamma_tensor.layout(), ParameterDType(test.dtype), p.gamma);
  return p;
}

bool IsCellForm(const Case& test) { return Geometry(test.spec, test.layout).cell_form; }

std::vector<Case> CellCases(DType dtype,
                            const cases::Sizes& sizes = {.b = 4, .t = 6, .s = 9, .c = 18}) {
  std::vector<Case> result = cases::AllCases(dtype, sizes);
  std::erase_if(result, [](const Case& test) { return !IsCellForm(test); });
  EXPECT_GT(result.size(), 40u);
  return result;
}

struct Gradients {
  Tensor dx, dgamma, dbeta;
};

bool SameBits(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

// A forward pass, and backward passes from its x or its y.
struct Passes {
  Passes(const Problem& problem, const NormOptions& options)
      : p(problem),
        norm(p.test.spec, p.test.layout, p.test.dtype, options),
        y(p.test.layout, p.test.dtype),
        mean(static_cast<size_t>(norm.num_statistics())),
        rstd(mean) {
    norm.ForwardTraining(p.x_tensor.data(), p.gamma_tensor.data(), p.beta_tensor.data(), y.data(),
                         {mean.data(), rstd.data()});
  }

  Gradients Backward(bool from_y, bool fixed = false, bool accumulate = false) const {
    Gradients g{p.x_tensor.Clone(), p.gamma_tensor.Clone(), p.gamma_tensor.Clone()};
    norm.Backward({.x = from_y ? nullptr : p.x_tensor.data(),
                   .dy = p.dy_tensor.data(),
                   .gamma = p.gamma_tensor.data(),
                   .beta = p.beta_tensor.data(),
                   .mean = from_y ? nullptr : mean.data(),
                   .rstd = rstd.data(),
                   .dx = g.dx.data(),
                   .dgamma = g.dgamma.data(),
                   .dbeta = g.dbeta.data(),
                   .y = y.data(),
                   .accumulate = accumulate,
                   .fixed_statistics = fixed});
    return g;
  }

  const Problem& p;
  Normalization norm;
  Tensor y;
  std::vector<double> mean, rstd;
};

// What rounding y to its dtype costs xhat, in units of 1 + |beta / gamma|.
double Roundoff(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return 0x1p-53;
    case DType::kF32:
      return 0x1p-24;
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF16:
      return 0x1p-11;
    default:
      return 0;
  }
}

void ExpectClose(const Tensor& got, const Tensor& expected, double tolerance,
                 const std::string& what) {
  const auto a = cases::ToDoubles(got), b = cases::ToDoubles(expected);
  double largest = 1, worst = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(b[i]));
    worst = std::max(worst, std::abs(a[i] - b[i]));
  }
  EXPECT_LE(worst / largest, tolerance) << what;
}

class FromY : public testing::TestWithParam<DType> {
 protected:
  void TearDown() override {
    WantSchedule({});
    SetNumThreads(0);
  }
};
INSTANTIATE_TEST_SUITE_P(Norm, FromY, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

// Few rows of many channels, by strips from x, by slabs from y.
TEST_P(FromY, SlabsOfChannelsGiveTheSameBits) {
  for (const char* format : {"BC", "BSC"}) {
    const Problem p =
        Invertible({kBatchNorm, cases::MakeLayout(format, {.b = 3, .s = 2, .c = 701}), GetParam()});
    for (const bool accumulate : {false, true}) {
      const Gradients expected = Passes(p, {}).Backward(true, false, accumulate);
      const int64_t before = WantSlabsOf(1000);
      const Passes passes(p, {});
      WantSlabsOf(before);
      const Gradients got = passes.Backward(true, false, accumulate);
      for (const auto member : {&Gradients::dx, &Gradients::dgamma, &Gradients::dbeta})
        EXPECT_TRUE(SameBits(got.*member, expected.*member)) << format;
    }
  }
}

// Very many cells some at a time: of runs, of runs of one statistic with others between them, of
// columns; with gamma and beta and without.
TEST_P(FromY, CellsSomeAtATimeGiveTheSameBits) {
  std::vector<Case> all = CellCases(GetParam());
  const auto add = [&](const NormSpec& spec, const char* format, std::vector<int64_t> shape,
                       Dims axes = 0) {
    all.push_back({spec, cases::InGroups(spec, Layout::Make(format, shape), 2), GetParam(), axes});
  };
  add(kLayerNorm, "BCS", {3, 300, 3});
  add(kLayerNorm, "BTCS", {2, 3, 3000, 2});  // tasks begin amid the cells of a step
  add(kLayerNorm, "BCS", {1, 9001, 2});      // more than a task takes at a time
  add(kGroupNorm, "BCS", {5, 42, 40});
  add(kBatchNorm, "BCS", {7, 35, 4}, kB | kC);
  add(kBatchNorm, "BC", {701, 2}, kB | kC);
  add(kBatchNorm, "BSC", {3, 4, 230}, kB | kC);
  add(kBatchNorm, "BSC", {17, 40, 6}, kS | kC);
  for (const Case& test : all) {
    const Problem p = Invertible(test);
    const Passes passes(p, test.Options());
    for (const bool fixed : {false, true}) {
      SetNumThreads(1);
      const Gradients expected = passes.Backward(true, fixed, true);
      SetNumThreads(3);
      for (const int64_t parameters : {1, 100}) {
        norm::cpu::WantSlicesOf(parameters);
        WantSchedule({.threads = true});
        const Gradients got = passes.Backward(true, fixed, true);
        WantSchedule({});
        norm::cpu::WantSlicesOf(0);
        for (const auto member : {&Gradients::dx, &Gradients::dgamma, &Gradients::dbeta})
          EXPECT_TRUE(SameBits(got.*member, expected.*member))
              << test.ToString() << ", " << parameters << " parameters, fixed " << fixed;
      }
    }
  }
}

TEST_P(FromY, GradientsAreThoseFromX) {
  Alone alone;
  for (const Case& test : CellCases(GetParam())) {
    const Problem p = Invertible(test);
    double ratio = 0;
    for (size_t i = 0; i < p.gamma.size(); ++i)
      ratio = std::max(ratio, std::abs(p.beta[i] / p.gamma[i]));
    const double tolerance = 8 * Roundoff(GetParam()) * (1 + ratio);
    for (const Activation activation : {Activation::kNone, Activation::kLeakyRelu})
      for (Reducer* reducer : {static_cast<Reducer*>(nullptr), static_cast<Reducer*>(&alone)})
        for (const bool fixed : {false, true}) {
          const Passes passes(
              p, {.activation = activation, .negative_slope = kSlope, .reducer = reducer});
          const Gradients expected = passes.Backward(false, fixed, true);
          const Gradients got = passes.Backward(true, fixed, true);
          const std::string what =
              fmt::format("{}, activation {}, reducer {}, fixed {}", test.ToString(),
                          static_cast<int>(activation), reducer != nullptr, fixed);
          ExpectClose(got.dx, expected.dx, tolerance, what);
          ExpectClose(got.dgamma, expected.dgamma, tolerance, what + ", dgamma");
          ExpectClose(got.dbeta, expected.dbeta, tolerance, what + ", dbeta");
        }
  }
}

// Runs of y with others' elements between them, large enough for tasks to begin within runs.
TEST_P(FromY, RunsThatLieApartGiveTheBitsOfDenseOnes) {
  constexpr int64_t kRuns = 12, kRun = 30'000, kApart = kRun + 64;
  const Problem p = Invertible(
      {kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{2, kRuns / 2, kRun}), GetParam()});
  const NormOptions dense{.activation = Activation::kLeakyRelu, .negative_slope = kSlope};
  const Passes expected(p, dense);
  const auto bytes = static_cast<int64_t>(SizeOf(GetParam()));
  std::vector<unsigned char> y(static_cast<size_t>(kRuns * kApart * bytes), 0xff);  // NaN
  for (int64_t i = 0; i < kRuns; ++i)
    std::memcpy(y.data() + i * kApart * bytes,
                static_cast<const char*>(expected.y.data()) + i * kRun * bytes,
                static_cast<size_t>(kRun * bytes));
  NormOptions apart = dense;
  apart.strides.y = {kRuns / 2 * kApart, kApart, 1};
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, apart);
  Gradients got{p.x_tensor.Clone(), p.gamma_tensor.Clone(), p.gamma_tensor.Clone()};
  norm.Backward({.dy = p.dy_tensor.data(),
                 .gamma = p.gamma_tensor.data(),
                 .beta = p.beta_tensor.data(),
                 .rstd = expected.rstd.data(),
                 .dx = got.dx.data(),
                 .dgamma = got.dgamma.data(),
                 .dbeta = got.dbeta.data(),
                 .y = y.data()});
  const Gradients all = expected.Backward(true);
  EXPECT_TRUE(SameBits(got.dx, all.dx) && SameBits(got.dgamma, all.dgamma) &&
              SameBits(got.dbeta, all.dbeta));
}

// d loss / dx along one direction, from forward passes.
double Slope(const Problem& p, const NormOptions& options, const std::vector<double>& direction) {
  constexpr double kStep = 1e-6;
  double difference = 0;
  for (const double step : {kStep, -kStep}) {
    std::vector<double> x = p.x;
    for (size_t i = 0; i < x.size(); ++i) x[i] += step * direction[i];
    const Tensor moved = cases::MakeTensor(p.test.layout, DType::kF64, x);
    const Tensor y =
        ForwardTraining(p.test.spec, moved, &p.gamma_tensor, &p.beta_tensor, options).y;
    for (size_t i = 0; i < x.size(); ++i)
      difference += (step > 0 ? 1 : -1) * p.dy[i] * y.values<double>()[i];
  }
  return difference / (2 * kStep);
}

TEST(FromYGradient, IsTheSlopeOfTheForwardPass) {
  for (const Case& test : CellCases(DType::kF64)) {
    const Problem p = Invertible(test);
    const std::vector<double> direction = cases::Normals(test.layout.size(), 11, 0, 1);
    for (const Activation activation : {Activation::kNone, Activation::kLeakyRelu}) {
      const NormOptions options{
          .epsilon = 0.01, .activation = activation, .negative_slope = kSlope};
      const Tensor dx = Passes(p, options).Backward(true).dx;
      double along = 0;
      for (size_t i = 0; i < direction.size(); ++i) along += dx.values<double>()[i] * direction[i];
      EXPECT_NEAR(Slope(p, options, direction), along, 1e-5 * (1 + std::abs(along)))
          << test.ToString();
    }
  }
}

TEST_P(FromY, ThreadsAndSchedulesDoNotShow) {
  const cases::Sizes sizes{.b = 8, .t = 12, .s = 40, .c = 48, .groups = 4};
  for (const Case& test : CellCases(GetParam(), sizes)) {
    if (test.layout.size() > 100'000) continue;
    const Problem p = Invertible(test);
    const Passes passes(p, {.activation = Activation::kLeakyRelu, .negative_slope = kSlope});
    SetNumThreads(1);
    const Gradients expected = passes.Backward(true);
    SetNumThreads(3);
    for (const bool fused : {false, true}) {
      WantSchedule({.fused = fused, .threads = true});
      const Gradients got = passes.Backward(true);
      EXPECT_TRUE(SameBits(got.dx, expected.dx)) << test.ToString();
      EXPECT_TRUE(SameBits(got.dgamma, expected.dgamma)) << test.ToString();
      EXPECT_TRUE(SameBits(got.dbeta, expected.dbeta)) << test.ToString();
    }
    WantSchedule({});
  }
}

// What passes through a statistic is shared by cells of very different gammas.
TEST(FromYGradient, ATinyGammaLeavesTheOthersFinite) {
  const Layout layout = Layout::Make("BCSS", std::vector<int64_t>{2, 8, 6, 6}).SplitChannels(2);
  Problem p = Invertible({kGroupNorm, layout, DType::kF32});
  p.AddToDy(1e3);
  p.gamma[3] = 1e-36, p.beta[3] = 0;
  p.gamma_tensor = cases::MakeTensor(p.gamma_tensor.layout(), DType::kF32, p.gamma);
  p.beta_tensor = cases::MakeTensor(p.beta_tensor.layout(), DType::kF32, p.beta);
  for (const double v : cases::ToDoubles(Passes(p, {}).Backward(true).dx))
    ASSERT_TRUE(std::isfinite(v));
}

TEST(FromYErrors, SayWhyNot) {
  const auto error = [](const NormSpec& spec, const Layout& layout, const NormOptions& options,
                        Normalization::BackwardArgs args = {}) {
    const Problem p({spec, layout});
    args.y = args.dy = p.dy_tensor.data();
    args.gamma = args.gamma ? args.gamma : p.gamma_tensor.data();
    std::vector<double> rstd(p.x.size(), 1);
    args.rstd = rstd.data();
    return ErrorOf([&] { Normalization(spec, layout, DType::kF32, options).Backward(args); });
  };
  const Layout image = Layout::Make("BCS", std::vector<int64_t>{2, 3, 8});
  const Layout rows = Layout::Make("BC", std::vector<int64_t>{2, 3});
  EXPECT_EQ(error(kBatchNorm, image, {.activation = Activation::kRelu, .name = "'bn1'"}),
            "'bn1': backward from y with ReLU fused, expected x: y is 0 for many x");
  EXPECT_EQ(error(kBatchNorm, image, {.activation = Activation::kLeakyRelu, .negative_slope = 0}),
            "batch normalization of BCS [2,3,8]: backward from y with a leaky ReLU of slope 0, "
            "expected x: y is 0 for many x");
  float daddend[48] = {};
  EXPECT_EQ(
      error(kBatchNorm, image, {}, {.daddend = daddend}),
      "batch normalization of BCS [2,3,8]: backward from y with daddend, expected x: what was "
      "added cannot be told from y");
  EXPECT_EQ(error(kBatchNorm, image, {.activation = Activation::kLeakyRelu}, {.addend = daddend}),
            "batch normalization of BCS [2,3,8]: backward from y with addend, expected x: what was "
            "added cannot be told from y");
  EXPECT_EQ(error(kLayerNorm, rows, {}),
            "layer normalization of BC [2,3]: backward from y where neighbours differ in their "
            "scales (plan KR), expected x or statistics over more elements of a channel");
  const float gamma[] = {1, 2, 0};
  EXPECT_EQ(error(kInstanceNorm, image, {}, {.gamma = gamma}),
            "instance normalization of BCS [2,3,8]: backward from y with gamma 0 in channel 2, "
            "expected x: y does not depend on it");
}

}  // namespace
}  // namespace normkit
