// The reference back-end computes what the processor's does, over the whole table of cases.
#include "src/norm/backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "src/core/log_capture.h"
#include "src/core/testing.h"
#include "src/norm/activation.h"
#include "src/norm/activation_cases.h"
#include "src/norm/case_bounds.h"

namespace normkit {
namespace {

class WithBackend {
 public:
  explicit WithBackend(const char* name) { setenv("NORMKIT_BACKEND", name, 1); }
  ~WithBackend() { unsetenv("NORMKIT_BACKEND"); }
};

Layout Make(std::string_view format, const std::vector<int64_t>& shape) {
  return Layout::Make(format, shape);
}

// Sums of the processor's kernels are off by the contract's bound (docs/numerics.md), on the scale
// of what is added; an array of a narrow type by the rounding to it.
double Tolerance(DType dtype, double scale) {
  const double unit = dtype == DType::kBF16 ? 0x1p-8 : dtype == DType::kF16 ? 0x1p-11 : 0;
  return scale * (32 * cases::UnitRoundoff(dtype) + unit);
}

void ExpectClose(const std::vector<double>& a, const std::vector<double>& b, DType dtype,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  double scale = 1;
  for (const double value : b) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], b[i], Tolerance(dtype, scale)) << what << " at " << i;
}

// What a call with everything fused writes.
struct Results {
  Tensor y, sum, dx, daddend, dgamma, dbeta;
};

// Backward reads y where there is an addend or the activation asks for it, or the addend.
Results RunAll(const cases::Problem& p, Activation activation, bool residual, bool addend) {
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype,
                           cases::WithActivation(activation));
  const auto n = static_cast<size_t>(norm.num_statistics());
  std::vector<double> mean(n), rstd(n);
  const auto like = [](const Tensor& tensor) { return tensor.Clone(); };
  Results r{like(p.x_tensor),  like(p.x_tensor),     like(p.dy_tensor),
            like(p.dy_tensor), like(p.gamma_tensor), like(p.beta_tensor)};
  norm.ForwardTraining({.x = p.x_tensor.data(),
                        .gamma = p.gamma_tensor.data(),
                        .beta = p.beta_tensor.data(),
                        .y = r.y.data(),
                        .saved = {mean.data(), rstd.data()},
                        .residual = residual ? p.dy_tensor.data() : nullptr,
                        .sum = residual ? r.sum.data() : nullptr,
                        .addend = addend ? p.dy_tensor.data() : nullptr});
  Normalization::BackwardArgs args{.x = residual ? r.sum.data() : p.x_tensor.data(),
                                   .dy = p.dy_tensor.data(),
                                   .gamma = p.gamma_tensor.data(),
                                   .beta = p.beta_tensor.data(),
                                   .mean = mean.data(),
                                   .rstd = rstd.data(),
                                   .dx = r.dx.data(),
                                   .dgamma = r.dgamma.data(),
                                   .dbeta = r.dbeta.data(),
                                   .y = r.y.data(),
                                   .addend = addend ? p.dy_tensor.data() : nullptr,
                                   .daddend = addend ? r.daddend.data() : nullptr,
                                   .accumulate = true};
  norm.Backward(args);
  return r;
}

TEST(BackendTest, ReferenceIsTheProcessorsOverTheTable) {
  for (const DType dtype : cases::kDTypes)
    for (const cases::Case& test : cases::AllCases(dtype)) {
      const cases::Problem p(test);
      for (const Activation activation : cases::kActivations) {
        const bool fused = activation != Activation::kNone;
        const Results cpu = RunAll(p, activation, fused, fused);
        const WithBackend reference("reference");
        const Results exact = RunAll(p, activation, fused, fused);
        const std::string what = test.ToString() + " " + std::string(Name(activation));
        // What passes one of these is rounded to the array's type, perhaps the other way.
        const bool rounds = !ToldFromY(activation);
        for (const auto& [name, member] :
             {std::pair{" y", &Results::y}, std::pair{" sum", &Results::sum},
              std::pair{" dx", &Results::dx}, std::pair{" daddend", &Results::daddend},
              std::pair{" dgamma", &Results::dgamma}, std::pair{" dbeta", &Results::dbeta}})
          ExpectClose(cases::ToDoubles(cpu.*member), cases::ToDoubles(exact.*member),
                      rounds ? dtype : (cpu.*member).dtype(), what + name);
        if (HasFatalFailure()) return;
      }
    }
}

TEST(BackendTest, ReferenceKeepsTheContract) {
  const WithBackend reference("reference");
  for (const DType dtype : cases::kDTypes)
    for (const cases::Case& test : cases::AllCases(dtype)) {
      const cases::Problem p(test, cases::Normals(test.layout.size(), 3, 1e4, 1));
      const NormResult result =
          ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
      EXPECT_LE(cases::WorstForwardFraction(p, result.y), 1) << test.ToString();
      const NormGradients got =
          Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, result);
      const auto in = p.inputs();
      const auto exact = reference::Backward(in, reference::ComputeStatistics(in), p.dy);
      ExpectClose(cases::ToDoubles(got.dx), exact.dx, dtype, test.ToString() + " dx");
    }
}

TEST(BackendTest, GivenStatisticsAndFixedOnes) {
  const cases::Problem p({kBatchNorm, Make("BCSS", {3, 4, 5, 2})});
  Tensor variance = p.gamma_tensor.Clone();
  for (float& v : variance.values<float>()) v = 1 + v * v;
  const auto run = [&] {
    const Normalization norm(kBatchNorm, p.test.layout);
    Results r{p.x_tensor.Clone(), {}, p.x_tensor.Clone(), {}, {}, {}};
    norm.ForwardInference(p.x_tensor.data(), p.gamma_tensor.data(), nullptr, p.beta_tensor.data(),
                          variance.data(), r.y.data());
    std::vector<double> mean(4, 3.0), rstd(4, 0.5);
    norm.Backward({.x = p.x_tensor.data(),
                   .dy = p.dy_tensor.data(),
                   .mean = mean.data(),
                   .rstd = rstd.data(),
                   .dx = r.dx.data(),
                   .fixed_statistics = true});
    return r;
  };
  const Results cpu = run();
  const WithBackend reference("reference");
  const Results exact = run();
  ExpectClose(cases::ToDoubles(cpu.y), cases::ToDoubles(exact.y), DType::kF32, "y");
  ExpectClose(cases::ToDoubles(cpu.dx), cases::ToDoubles(exact.dx), DType::kF32, "dx");
}

TEST(BackendTest, BackwardFromYNeedsNoCells) {
  const WithBackend reference("reference");
  const cases::Problem p({kLayerNorm, Make("BC", {4, 9})});
  const NormResult forward =
      ForwardTraining(kLayerNorm, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
  auto args = p.BackwardArgs(forward);
  Tensor from_x = p.x_tensor.Clone(), from_y = p.x_tensor.Clone();
  const Normalization norm(kLayerNorm, p.test.layout);
  args.dx = from_x.data();
  norm.Backward(args);
  args.x = nullptr;
  args.y = forward.y.data();
  args.dx = from_y.data();
  norm.Backward(args);
  // y was rounded to f32 and is divided by gamma.
  double least = 1;
  for (const double gamma : p.gamma) least = std::min(least, std::abs(gamma));
  const auto a = cases::ToDoubles(from_x), b = cases::ToDoubles(from_y);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 64 * 0x1p-24 / least);
}

TEST(BackendTest, TheEnvironmentNamesOne) {
  {
    const WithBackend reference("reference");
    EXPECT_NE(Normalization(kRmsNorm, Make("BC", {2, 8})).Describe().find("kernel reference"),
              std::string::npos);
  }
  const WithBackend wrong("referense");
  EXPECT_ERROR(Normalization(kRmsNorm, Make("BC", {2, 8})),
               "NORMKIT_BACKEND='referense' is unknown, expected cpu or reference, did you mean "
               "'reference'?");
}

TEST(BackendTest, EachSaysWhyNot) {
  const Problem simple(kBatchNorm, Make("BC", {2, 8}), DType::kF32, {});
  for (const NormBackend& backend : NormBackends()) EXPECT_EQ(backend.why_not(simple), "");
  std::vector<Axis> axes;
  for (int i = 0; i < 10; ++i) axes.insert(axes.end(), {{kB, 2}, {kC, 2}});
  const Layout nested{axes};
  const Problem problem(kBatchNorm, nested, DType::kF32, {});
  EXPECT_EQ(kCpuBackend.why_not(problem),
            "20 nested loops, at most 16 (neighbouring axes that are reduced alike are one)");
  {
    const LogCapture log;
    EXPECT_EQ(ChooseNormBackend(problem).name, "reference");
    ASSERT_EQ(log.lines().size(), 1u);
    EXPECT_NE(log.lines()[0].find("is slow; cpu: 20 nested loops"), std::string::npos);
  }
  const WithBackend cpu("cpu");
  EXPECT_ERROR_LIKE(ChooseNormBackend(problem),
                    "NORMKIT_BACKEND='cpu' cannot compute it: 20 nested");
}

}  // namespace
}  // namespace normkit
