// Gradients in f64 against central differences of the forward pass.
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

}  // namespace
}  // namespace normkit
