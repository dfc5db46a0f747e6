// Batch renormalization beside its formula.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "normkit/graph/executor.h"
#include "normkit/nn/layers.h"

namespace normkit {
namespace {

constexpr size_t kRows = 5, kChannels = 3;
constexpr double kEpsilon = 0.01;
const std::vector<float> kMean{0.5f, -1, 40}, kVariance{2, 0.25f, 1e-4f}, kScale{1.5f, -2, 0.5f},
    kOffset{0.1f, 0.2f, -0.3f};

float Input(size_t row, size_t channel) {
  return static_cast<float>(std::sin(3. * static_cast<double>(row * kChannels + channel)));
}
float Gradient(size_t row, size_t channel) {
  return static_cast<float>(std::cos(2. * static_cast<double>(row * kChannels + channel)));
}

struct Passed {
  std::vector<float> y, dx, dscale, doffset;  // dx [channels, rows]
};

// One pass over Input and Gradient: what comes before is a product with ones in a diagonal, the
// gradient of whose weights is that of the input.
Passed Pass(const NormalizationProperties& options, uint64_t iteration, bool training = true) {
  NormalizationProperties properties = options;
  properties.name = "bn";
  properties.epsilon = kEpsilon;
  properties.trained_mean = kMean;
  properties.trained_variance = kVariance;
  properties.scale = kScale;
  properties.offset = kOffset;
  Graph graph;
  graph.Add(FeatureInput({.num_features = kRows}));
  graph.Add(FullyConnected({.name = "fc", .output_size = kChannels, .bias = false}));
  graph.Add(BatchNormalization(properties));
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  const auto weights = parameters.Get(*parameters.Find("fc.weights"));
  for (size_t c = 0; c < kChannels; ++c)
    for (size_t i = 0; i < kRows; ++i) weights[c * kRows + i] = Input(i, c);
  Executor executor(graph, kRows, /*training=*/true);
  for (size_t i = 0; i < kRows * kRows; ++i) executor.input()[i] = i % (kRows + 1) == 0;
  const RunContext run{.training = training, .iteration = iteration};
  const std::span<const float> y = executor.Forward(parameters, run);
  Passed passed{.y{y.begin(), y.end()}};
  if (!training) return passed;
  std::vector<float> dy;
  for (size_t i = 0; i < kRows * kChannels; ++i)
    dy.push_back(Gradient(i / kChannels, i % kChannels));
  executor.Backward(parameters, dy, graph.output(), run, gradients);
  const auto of = [&](const char* name) {
    const auto values = gradients.Get(*gradients.Find(name));
    return std::vector<float>(values.begin(), values.end());
  };
  passed.dx = of("fc.weights");
  passed.dscale = of("bn.scale");
  passed.doffset = of("bn.offset");
  return passed;
}

// What the paper says, in f64. f32 coefficients and outputs: a few roundings of each term.
void ExpectFormula(const Passed& passed, double scale_limit, double shift_limit) {
  for (size_t c = 0; c < kChannels; ++c) {
    double mean = 0, m2 = 0;
    for (size_t i = 0; i < kRows; ++i) mean += Input(i, c) / static_cast<double>(kRows);
    for (size_t i = 0; i < kRows; ++i) m2 += std::pow(Input(i, c) - mean, 2);
    const double batch = std::sqrt(m2 / kRows + kEpsilon),
                 trained = std::sqrt(kVariance[c] + kEpsilon);
    const double r = std::clamp(batch / trained, 1 / scale_limit, scale_limit),
                 d = std::clamp((mean - kMean[c]) / trained, -shift_limit, shift_limit);
    const auto xhat = [&](size_t i) { return (Input(i, c) - mean) / batch; };
    double sum = 0, along = 0;
    for (size_t i = 0; i < kRows; ++i) {
      sum += Gradient(i, c);
      along += Gradient(i, c) * xhat(i);
    }
    const double size = std::abs(kScale[c]) * (r + std::abs(d)) * kRows * 2 + 1;
    const double bound = 8 * std::ldexp(size, -24);
    for (size_t i = 0; i < kRows; ++i) {
      EXPECT_NEAR(passed.y[i * kChannels + c], kScale[c] * (xhat(i) * r + d) + kOffset[c], bound);
      const double inner = Gradient(i, c) - (sum + xhat(i) * along) / kRows;
      EXPECT_NEAR(passed.dx[c * kRows + i], kScale[c] * r / batch * inner, bound / batch);
    }
    EXPECT_NEAR(passed.dscale[c], r * along + d * sum, bound);
    EXPECT_NEAR(passed.doffset[c], sum, bound);
  }
}

TEST(RenormalizationTest, IsTheFormulaWithinLimitsAndBeyond) {
  ExpectFormula(Pass({.renormalize = true, .renormalization_warm_up = 0}, 0), 3, 5);
  ExpectFormula(Pass({.renormalize = true,
                      .renormalization_scale_limit = 1e6,
                      .renormalization_shift_limit = 1e6,
                      .renormalization_warm_up = 0},
                     0),
                1e6, 1e6);
}

TEST(RenormalizationTest, LimitsGrowOverTheWarmUp) {
  const NormalizationProperties options{.renormalize = true, .renormalization_warm_up = 100};
  ExpectFormula(Pass(options, 25), 1.5, 1.25);
  ExpectFormula(Pass(options, 100), 3, 5);
  ExpectFormula(Pass(options, 1'000'000), 3, 5);
}

TEST(RenormalizationTest, BeginsAsBatchNormalizationAndPredictsAsIt) {
  const NormalizationProperties options{.renormalize = true};
  const Passed first = Pass(options, 0), plain = Pass({}, 0);
  EXPECT_EQ(first.y, plain.y);
  EXPECT_EQ(first.dx, plain.dx);
  EXPECT_EQ(first.dscale, plain.dscale);
  EXPECT_EQ(first.doffset, plain.doffset);
  EXPECT_EQ(Pass(options, 0, /*training=*/false).y, Pass({}, 0, /*training=*/false).y);
}

// Without limits in the way training gives what prediction gives.
TEST(RenormalizationTest, TrainsWhatItPredicts) {
  const NormalizationProperties options{.renormalize = true,
                                        .renormalization_scale_limit = 1e6,
                                        .renormalization_shift_limit = 1e6,
                                        .renormalization_warm_up = 0};
  const Passed trained = Pass(options, 0), predicted = Pass(options, 0, /*training=*/false);
  for (size_t i = 0; i < kRows * kChannels; ++i) {
    const size_t c = i % kChannels;
    const double size =
        std::abs(predicted.y[i]) +
        std::abs(kMean[c]) * std::abs(kScale[c]) / std::sqrt(kVariance[c] + kEpsilon) + 1;
    EXPECT_NEAR(trained.y[i], predicted.y[i], 8 * std::ldexp(size, -24)) << i;
  }
}

}  // namespace
}  // namespace normkit
