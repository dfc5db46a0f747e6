// The gated form: y = activation(norm(x) + addend) * gate, and its gradients.
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/core/elements.h"
#include "src/core/testing.h"
#include "src/norm/activation.h"
#include "src/norm/case_data.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kLeakyRelu,
                                       Activation::kSilu};

class GateTest : public testing::TestWithParam<DType> {
 protected:
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    SetNumThreads(0);
  }
};
INSTANTIATE_TEST_SUITE_P(Norm, GateTest, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

struct Gated {
  explicit Gated(const Problem& p)
      : gate_values(cases::Normals(p.test.layout.size(), 77, 0.2, 1)),
        gate(cases::MakeTensor(p.test.layout, p.test.dtype, gate_values)),
        y(p.test.layout, p.test.dtype),
        dx(p.test.layout, p.test.dtype),
        dgate(p.test.layout, p.test.dtype),
        daddend(p.test.layout, p.test.dtype),
        dgamma(p.gamma_tensor.layout(), p.gamma_tensor.dtype()),
        dbeta(p.gamma_tensor.layout(), p.gamma_tensor.dtype()) {}

  void Run(const Problem& p, const NormOptions& options, const Tensor* addend) {
    const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, options);
    mean.resize(static_cast<size_t>(norm.num_statistics()));
    rstd.resize(mean.size());
    norm.ForwardTraining({.x = p.x_tensor.data(),
                          .gamma = p.gamma_tensor.data(),
                          .beta = p.beta_tensor.data(),
                          .y = y.data(),
                          .saved = {mean.data(), rstd.data()},
                          .addend = addend ? addend->data() : nullptr,
                          .gate = gate.data()});
    norm.Backward({.x = p.x_tensor.data(),
                   .dy = p.dy_tensor.data(),
                   .gamma = p.gamma_tensor.data(),
                   .beta = p.beta_tensor.data(),
                   .mean = mean.data(),
                   .rstd = rstd.data(),
                   .dx = dx.data(),
                   .dgamma = dgamma.data(),
                   .dbeta = dbeta.data(),
                   .addend = addend ? addend->data() : nullptr,
                   .daddend = addend ? daddend.data() : nullptr,
                   .gate = gate.data(),
                   .dgate = dgate.data()});
  }
  std::vector<double> All() const {
    std::vector<double> all;
    for (const Tensor* tensor : {&y, &dx, &dgate, &daddend, &dgamma, &dbeta})
      std::ranges::copy(cases::ToDoubles(*tensor), std::back_inserter(all));
    return all;
  }

  std::vector<double> gate_values;
  Tensor gate, y, dx, dgate, daddend, dgamma, dbeta;
  std::vector<double> mean, rstd;
};

// y is what the operation without a gate gives, times the gate; dgate is dy times that; dx, dgamma
// and dbeta are those of the operation without activation and gate for the dy that passes both.
// Where the dtype is narrow, those roundings are allowed for.
TEST_P(GateTest, IsTheSeparateOperations) {
  const DType dtype = GetParam();
  const double u = dtype == DType::kF64   ? 0x1p-50
                   : dtype == DType::kF32 ? 0x1p-20
                   : dtype == DType::kF16 ? 0x1p-9
                                          : 0x1p-6;
  for (const Case& test : cases::AllCases(dtype, {.b = 3, .t = 2, .s = 5, .c = 8})) {
    if (test.layout.size() > 1500) continue;
    const Problem p(test);
    const Tensor& addend = p.dy_tensor;
    for (const Activation activation : kActivations) {
      const NormOptions options{.activation = activation};
      for (const bool adds : {false, true}) {
        Gated got(p);
        got.Run(p, options, adds ? &addend : nullptr);
        // z by the oracle, from the statistics that were saved.
        const auto in = p.inputs();
        const auto statistics = reference::ComputeStatistics(in);
        std::vector<double> z = reference::Forward(in, statistics);
        const auto y = cases::ToDoubles(got.y), dgate = cases::ToDoubles(got.dgate);
        std::vector<double> passed(z.size());
        for (size_t i = 0; i < z.size(); ++i) {
          if (adds) z[i] += p.dy[i];
          const double value = Activated(options, z[i]), scale = 8 + std::abs(z[i]);
          EXPECT_NEAR(y[i], value * got.gate_values[i],
                      u * scale * (1 + std::abs(got.gate_values[i])))
              << test.ToString();
          EXPECT_NEAR(dgate[i], p.dy[i] * value, u * scale * (1 + std::abs(p.dy[i])));
          passed[i] = p.dy[i] * got.gate_values[i] * ActivationSlope(options, z[i]);
        }
        const auto exact = reference::Backward(in, statistics, passed);
        const auto dx = cases::ToDoubles(got.dx), dgamma = cases::ToDoubles(got.dgamma);
        const auto dbeta = cases::ToDoubles(got.dbeta);
        double largest = 0, sum = 0;
        for (const double v : passed) largest = std::max(largest, std::abs(v)), sum += std::abs(v);
        for (size_t i = 0; i < dx.size(); ++i)
          ASSERT_NEAR(dx[i], exact.dx[i], 40 * u * (largest + std::abs(exact.dx[i])))
              << test.ToString() << ", " << Name(activation) << ", added " << adds;
        for (size_t c = 0; c < dgamma.size(); ++c) {
          ASSERT_NEAR(dgamma[c], exact.dgamma[c], 8 * u * sum) << test.ToString();
          ASSERT_NEAR(dbeta[c], exact.dbeta[c], 8 * u * sum) << test.ToString();
        }
      }
    }
  }
}

TEST_P(GateTest, AllTargetsAndThreadsGiveTheSameBits) {
  for (const Case& test : cases::AllCases(GetParam(), {.b = 4, .t = 3, .s = 6, .c = 16})) {
    const Problem p(test);
    for (const Activation activation : kActivations) {
      TearDown();
      Gated expected(p);
      expected.Run(p, {.activation = activation}, &p.dy_tensor);
      SetNumThreads(3);
      simd::ForceTarget("SCALAR");
      Gated got(p);
      got.Run(p, {.activation = activation}, &p.dy_tensor);
      ASSERT_EQ(got.All(), expected.All()) << test.ToString() << ", " << Name(activation);
    }
  }
}

TEST(Gate, MessagesName) {
  const Normalization norm(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{3, 4}));
  std::vector<float> a(12), b(12), c(12);
  std::vector<double> rstd(3);
  EXPECT_ERROR(
      norm.Backward({.dy = a.data(), .rstd = rstd.data(), .y = b.data(), .gate = c.data()}),
      "layer normalization of BC [3,4]: backward from y with a gate, expected x: what was "
      "multiplied cannot be told from y");
  EXPECT_ERROR(
      norm.Backward({.x = a.data(),
                     .dy = a.data(),
                     .mean = rstd.data(),
                     .rstd = rstd.data(),
                     .dgate = c.data()}),
      "layer normalization of BC [3,4]: gate is null, expected an array of 12 f32 elements");
}

}  // namespace
}  // namespace normkit
