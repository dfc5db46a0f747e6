#include "src/recurrent/cells.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "src/simd/target.h"

namespace normkit::recurrent {
namespace {

constexpr double kU = 0x1p-24;

// Numbers of all magnitudes and signs, ends of every function among them.
std::vector<float> Arguments() {
  std::vector<float> x{0.f,
                       -0.f,
                       2.5f,
                       -2.5f,
                       87.f,
                       -87.f,
                       88.f,
                       -88.f,
                       1e30f,
                       -1e30f,
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  for (float magnitude = 1e-30f; magnitude < 100; magnitude *= 1.0173f) {
    x.push_back(magnitude);
    x.push_back(-magnitude);
  }
  return x;
}

// What the gates make of x: gate(x) and state(x), as an LSTM keeps them.
struct Kept {
  std::vector<float> gate, state;
};
Kept Activated(const CellFunctions& functions, const std::vector<float>& x) {
  const auto n = x.size();
  std::vector<float> gates, c(n), state_c(n), out(n), zeros(n);
  for (int i = 0; i < 4; ++i) gates.insert(gates.end(), x.begin(), x.end());
  float *rows = gates.data(), *c_row = c.data(), *state_row = state_c.data(), *to = out.data();
  const float* before = zeros.data();
  LstmCells{functions, static_cast<int64_t>(n), &rows, &before, &c_row, &state_row, &to}.Forward(1);
  const auto part = [&](size_t i) { return std::vector<float>(rows + i * n, rows + (i + 1) * n); };
  for (const size_t i : {1, 3})  // by their bytes: NaN is not itself
    EXPECT_EQ(std::memcmp(rows, rows + i * n, n * sizeof(float)), 0);
  return {part(0), part(2)};
}

template <class F>
void ForTargets(const F& f) {
  for (const std::string& target : simd::AvailableTargets()) {
    ASSERT_TRUE(simd::ForceTarget(target));
    f(target);
  }
  simd::ForceTarget(simd::AvailableTargets()[0]);
}

// docs/numerics.md: 4.3 u and 8 u of themselves, but for results below 2^-125.
TEST(CellFunctions, AreWithinTheirBounds) {
  const std::vector<float> x = Arguments();
  ForTargets([&](const std::string& target) {
    const Kept plain = Activated({}, x);
    const Kept other = Activated({GateFunction::kHardSigmoid, StateFunction::kSoftsign}, x);
    double sigmoid_error = 0, tanh_error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double z = x[i], sigmoid = 1 / (1 + std::exp(-z)), tanh = std::tanh(z);
      if (sigmoid > 0x1p-125)
        sigmoid_error = std::max(sigmoid_error, std::abs(plain.gate[i] - sigmoid) / sigmoid / kU);
      else
        EXPECT_LT(plain.gate[i], 0x1p-124);
      if (z != 0) tanh_error = std::max(tanh_error, std::abs((plain.state[i] - tanh) / tanh) / kU);
      EXPECT_NEAR(other.gate[i], std::clamp(0.2 * z + 0.5, 0.0, 1.0), 2 * kU) << z;
      const double softsign = std::isinf(z) ? NAN : z / (1 + std::abs(z));
      if (!std::isinf(z)) {
        EXPECT_NEAR(other.state[i], softsign, 2 * kU * std::abs(softsign)) << z;
      }
    }
    EXPECT_LT(sigmoid_error, 4.3) << target;
    EXPECT_LT(tanh_error, 8) << target;
    std::printf("%s: sigmoid %.2f u, tanh %.2f u of themselves\n", target.c_str(), sigmoid_error,
                tanh_error);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const CellFunctions& functions :
         {CellFunctions{}, CellFunctions{GateFunction::kHardSigmoid, StateFunction::kSoftsign}}) {
      const Kept kept = Activated(functions, {1, nan, 2});
      EXPECT_TRUE(std::isnan(kept.gate[1]) && std::isnan(kept.state[1])) << target;
      EXPECT_FALSE(std::isnan(kept.gate[0]) || std::isnan(kept.state[2])) << target;
    }
  });
}

// Slopes by values, beside differences of the values: through the candidate and the input gate.
TEST(CellFunctions, SlopesAreThoseOfTheValues) {
  const double step = 1e-3;
  for (const CellFunctions& functions :
       {CellFunctions{}, CellFunctions{GateFunction::kHardSigmoid, StateFunction::kSoftsign}})
    for (const float z : {-3.f, -1.7f, -0.4f, 0.3f, 1.1f, 2.9f}) {
      const auto at = [&](double by) { return Activated(functions, {static_cast<float>(z + by)}); };
      const Kept kept = at(0);
      float gates[] = {kept.gate[0], kept.gate[0], kept.state[0], kept.gate[0]}, dgates[4];
      float before = 0, state_c = 0, dout = 0, dc = 1;
      float *gates_row = gates, *before_row = &before, *state_row = &state_c, *dout_row = &dout,
            *dc_row = &dc, *dgates_row = dgates;
      LstmCellGradients{functions, 1,         &gates_row, &before_row, &state_row,
                        &dout_row, &dout_row, &dc_row,    &dgates_row}
          .Backward(1);
      const double gate_slope = (at(step).gate[0] - at(-step).gate[0]) / (2 * step),
                   state_slope = (at(step).state[0] - at(-step).state[0]) / (2 * step);
      EXPECT_NEAR(dgates[0], kept.state[0] * gate_slope, 2e-4) << z;
      EXPECT_NEAR(dgates[2], kept.gate[0] * state_slope, 2e-4) << z;
    }
}

}  // namespace
}  // namespace normkit::recurrent
