// Gradients in f64 against central differences of the forward pass, and in every type against the
// contract's bounds.
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/norm/case_bounds.h"

namespace normkit {
namespace {

using cases::Problem;

double Loss(const Problem& p, const NormOptions& options) {
  const auto y =
      ForwardTraining(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options).y;
  double loss = 0;
  for (size_t i = 0; i < p.dy.size(); ++i) loss += p.dy[i] * y.values<double>()[i];
  return loss;
}

// d loss / d values[i] by central differences.
double Slope(const Problem& p, const NormOptions& options, std::span<double> values, size_t i) {
  constexpr double kStep = 1e-5;
  const double old = values[i];
  values[i] = old + kStep;
  const double above = Loss(p, options);
  values[i] = old - kStep;
  const double below = Loss(p, options);
  values[i] = old;
  return (above - below) / (2 * kStep);
}

void CheckSlopes(const Problem& p, const NormOptions& options, std::span<double> values,
                 std::span<const double> gradient, const char* name) {
  const size_t step = std::max<size_t>(1, values.size() / 12);
  for (size_t i = 0; i < values.size(); i += step)
    EXPECT_NEAR(Slope(p, options, values, i), gradient[i], 2e-6 * (1 + std::abs(gradient[i])))
        << p.test.ToString() << " " << name << "[" << i << "]";
}

TEST(Gradient, MatchesCentralDifferences) {
  for (const auto& test : cases::Table(DType::kF64, {.b = 3, .t = 2, .s = 4, .c = 4})) {
    if (!test.DenseAndWhole()) continue;
    NormOptions options = test.Options();
    options.epsilon = 0.01;
    Problem p(test);
    const auto forward =
        ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options);
    const NormGradients gradients = cases::GradientsOf(p, forward, options);
    CheckSlopes(p, options, p.x_tensor.values<double>(), gradients.dx.values<double>(), "dx");
    CheckSlopes(p, options, p.gamma_tensor.values<double>(), gradients.dgamma.values<double>(),
                "dgamma");
    CheckSlopes(p, options, p.beta_tensor.values<double>(), gradients.dbeta.values<double>(),
                "dbeta");
  }
}

// Statistics of one to three values, where dx cancels, and larger ones; any mean.
const cases::Sizes kSizes[] = {
    {.b = 2, .t = 1, .s = 1, .c = 2, .groups = 1}, {.b = 1, .t = 2, .s = 1, .c = 4, .groups = 2},
    {.b = 2, .t = 1, .s = 2, .c = 2, .groups = 2}, {.b = 3, .t = 1, .s = 3, .c = 9, .groups = 3},
    {.b = 3, .t = 5, .s = 7, .c = 6, .groups = 2}, {.b = 4, .t = 9, .s = 12, .c = 40, .groups = 8}};

class GradientBounds : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Norm, GradientBounds, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

TEST_P(GradientBounds, HoldForEveryLayerFormatAndMean) {
  const DType dtype = GetParam();
  std::vector<double> means = {0, 5, -1e3};
  if (dtype == DType::kF32 || dtype == DType::kF64) means.insert(means.end(), {1e4, 1e6});
  cases::GradientFractions worst;
  for (const cases::Sizes& sizes : kSizes)
    for (const auto& test : cases::AllCases(dtype, sizes)) {
      if (test.layout.size() > 20'000) continue;
      for (const double mean : means)
        for (uint64_t seed = 1; seed <= (test.layout.size() < 100 ? 8u : 1u); ++seed) {
          const Problem p(test, cases::Normals(test.layout.size(), seed, mean, 1), 10 * seed);
          const auto forward =
              ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
          const auto got =
              cases::WorstGradientFractions(p, Backward(test.spec, p.x_tensor, &p.gamma_tensor,
                                                        &p.beta_tensor, p.dy_tensor, forward));
          EXPECT_LE(got.Largest(), 1) << test.ToString() << ", mean " << mean << ", seed " << seed;
          worst.Add(got);
        }
    }
  std::printf("  %s: at most %.2f (dx), %.2f (dgamma), %.2f (dbeta) of the bounds\n",
              std::string(Name(dtype)).c_str(), worst.dx, worst.dgamma, worst.dbeta);
}

// Means of x and common parts of dy.
struct Offsets {
  double x, dy;
};
std::vector<Offsets> OffsetsFor(DType dtype) {
  if (dtype == DType::kF32 || dtype == DType::kF64)
    return {{0, 0}, {5, 100}, {-3, 40}, {-1e3, 1e4}, {1e4, -1e3}, {1e6, 0}, {1, 1e6}, {1e6, 1e6}};
  return {{0, 0}, {5, -100}, {-1e3, 1e3}};
}

// Large statistics, cut in chunks, strips and parts; dy as the gradient of a mean begins.
TEST_P(GradientBounds, HoldForLargeStatisticsAndCommonParts) {
  const DType dtype = GetParam();
  std::vector<cases::Case> all = cases::LargeStatisticCases(dtype);
  const auto add = [&](const NormSpec& spec, const char* format, std::vector<int64_t> shape) {
    all.push_back({spec, Layout::Make(format, shape), dtype});
  };
  add(kBatchNorm, "BCSS", {16, 8, 28, 28});
  add(kBatchNorm, "BCS", {3, 2, 70'001});
  add(kBatchNorm, "BCS", {400, 5, 3});
  add(kBatchNorm, "BSSC", {8, 28, 28, 19});
  add(kBatchNorm, "BSC", {7, 41, 48});
  add(kBatchNorm, "BSSC", {8, 56, 55, 3});
  add(kInstanceNorm, "BSSC", {2, 40, 41, 7});
  add(kLayerNorm, "BSSC", {2, 60, 61, 3});
  add(kInstanceNorm, "BSSC", {2, 40, 40, 33});
  add(kInstanceNorm, "BCSS", {2, 3, 60, 60});
  add(kLayerNorm, "BC", {64, 513});
  add(kLayerNormChannelOnly, "BCSS", {2, 70, 20, 20});
  add(kLayerNormChannelOnly, "BCS", {2, 2500, 5});
  for (const cases::Case& test : all)
    for (const Offsets& offset : OffsetsFor(dtype)) {
      Problem p(test, cases::Normals(test.layout.size(), 3, offset.x, 1), 7);
      p.AddToDy(offset.dy);
      const auto forward = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
      const auto gradients =
          Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward);
      for (const double common : {0.0, cases::HidesCommonPart(test) ? offset.dy : 0.0}) {
        const auto got = cases::WorstGradientFractions(p, gradients, common);
        EXPECT_LE(got.Largest(), 1)
            << test.ToString() << ", x around " << offset.x << ", dy around " << offset.dy
            << " without " << common << ": " << got.dx << " " << got.dgamma << " " << got.dbeta;
      }
    }
}

// A dy that is the same everywhere moves no mean: nothing of it comes back, however large it is.
TEST_P(GradientBounds, ConstantDyGivesNothing) {
  const DType dtype = GetParam();
  for (const auto& test : cases::AllCases(dtype, {.b = 3, .t = 5, .s = 9, .c = 34})) {
    if (!cases::HidesCommonPart(test)) continue;
    Problem p(test);
    p.dy.assign(p.dy.size(), 0);
    p.AddToDy(12345.678);
    const auto forward = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const auto got =
        Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward);
    for (const Tensor* gradient : {&got.dx, &got.dgamma})
      for (const double v : cases::ToDoubles(*gradient))
        ASSERT_LE(std::abs(v), 1e-10) << test.ToString();
  }
}

// Columns of statistics whose rows, chunks of them on different threads, add to one parameter.
TEST(Backward, ThreadsDoNotMeetAtAParameter) {
  const NormSpec per_column{"channels and time", kG | kC | kT, kG | kC};
  const Problem p({per_column, Layout::Make("BTCS", std::vector<int64_t>{1, 2, 32768, 5})});
  const auto forward = ForwardTraining(per_column, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
  SetNumThreads(1);
  const auto expected = cases::GradientsOf(p, forward, {});
  SetNumThreads(2);
  for (int call = 0; call < 20; ++call) {
    const auto got = cases::GradientsOf(p, forward, {});
    EXPECT_EQ(cases::ToDoubles(got.dgamma), cases::ToDoubles(expected.dgamma));
    EXPECT_EQ(cases::ToDoubles(got.dbeta), cases::ToDoubles(expected.dbeta));
  }
  SetNumThreads(0);
}

// Sums of few rows go to f64 and stay there: rounded to f32 each time, this one drifts by 12 u.
TEST(Backward, ManyEqualDyAddUp) {
  Problem p({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{20'000, 8})});
  p.dy.assign(p.dy.size(), 0);
  p.AddToDy(0.7);
  const auto forward = ForwardTraining(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
  const auto got =
      Backward(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward);
  const double exact = 20'000 * p.dy[0];
  for (const double dbeta : cases::ToDoubles(got.dbeta))
    EXPECT_NEAR(dbeta, exact, 4 * 0x1p-24 * exact);
}

}  // namespace
}  // namespace normkit
