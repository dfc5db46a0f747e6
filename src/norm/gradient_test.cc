// Gradients in f64 against central differences of the forward pass, and in every type against the
// contract's bounds.
#include <gtest/gtest.h>

#include "src/norm/cases.h"

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
  for (const auto& test : cases::AllCases(DType::kF64, {.b = 3, .t = 2, .s = 4, .c = 4})) {
    for (Activation activation : {Activation::kNone, Activation::kRelu}) {
      const NormOptions options{.epsilon = 0.01, .activation = activation};
      Problem p(test);
      const auto forward =
          ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options);
      const auto gradients = Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor,
                                      p.dy_tensor, forward, options);
      CheckSlopes(p, options, p.x_tensor.values<double>(), gradients.dx.values<double>(), "dx");
      CheckSlopes(p, options, p.gamma_tensor.values<double>(), gradients.dgamma.values<double>(),
                  "dgamma");
      CheckSlopes(p, options, p.beta_tensor.values<double>(), gradients.dbeta.values<double>(),
                  "dbeta");
    }
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
          for (const double fraction : {got.dx, got.dgamma, got.dbeta})
            EXPECT_LE(fraction, 1) << test.ToString() << ", mean " << mean << ", seed " << seed;
          worst.dx = std::max(worst.dx, got.dx);
          worst.dgamma = std::max(worst.dgamma, got.dgamma);
          worst.dbeta = std::max(worst.dbeta, got.dbeta);
        }
    }
  std::printf("  %s: at most %.2f (dx), %.2f (dgamma), %.2f (dbeta) of the bounds\n",
              std::string(Name(dtype)).c_str(), worst.dx, worst.dgamma, worst.dbeta);
}

}  // namespace
}  // namespace normkit
