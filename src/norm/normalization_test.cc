// Every spec, layout and dtype against the reference, forward and backward.
#include "normkit/norm/normalization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "src/norm/case_bounds.h"
#include "src/norm/test_reducers.h"

namespace normkit {
namespace {

using cases::Problem;
using cases::ToDoubles;

class EveryDType : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Norm, EveryDType, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

// The largest difference as a fraction of `scale`, of the largest |expected|.
double RelativeError(const Tensor& got, const std::vector<double>& expected, double scale) {
  const auto values = ToDoubles(got);
  double worst = 0;
  for (double v : expected) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < expected.size(); ++i)
    worst = std::max(worst, std::abs(values[i] - expected[i]) / scale);
  return worst;
}

double GradientTolerance(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return 1e-13;
    case DType::kF32:
      return 1e-6;
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF16:
      return 0x1p-11;
    default:
      return 0;
  }
}

// y itself: table_test.cc.
TEST_P(EveryDType, StatisticsAreThoseOfTheReference) {
  for (const auto& test : cases::AllCases(GetParam())) {
    const Problem p(test);
    const NormResult result =
        ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const auto exact = reference::ComputeStatistics(p.inputs());
    for (size_t s = 0; s < exact.mean.size(); ++s) {
      ASSERT_NEAR(result.mean[s], exact.mean[s], 1e-6) << test.ToString();
      ASSERT_NEAR(result.variance[s], exact.variance[s], 1e-6 * (1 + exact.variance[s]));
      ASSERT_DOUBLE_EQ(result.rstd[s], cases::RstdOf(test.spec, result.variance[s], 1e-5));
    }
  }
}

TEST(DeepestNest, IsRightInBothDirections) {
  std::vector<Axis> axes(16, {kS, 2});
  for (size_t i = 0; i < axes.size(); i += 2) axes[i].label = kC;
  for (const bool channels_last : {false, true}) {
    if (channels_last) std::ranges::reverse(axes);
    const Problem p({kBatchNorm, Layout(axes)});
    const auto forward = ForwardTraining(kBatchNorm, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const auto got =
        Backward(kBatchNorm, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward);
    EXPECT_LE(cases::WorstForwardFraction(p, forward.y), 1);
    const auto in = p.inputs();
    const auto statistics = reference::ComputeStatistics(in);
    EXPECT_LE(RelativeError(got.dx, reference::Backward(in, statistics, p.dy).dx, 1), 1e-6);
  }
}

TEST_P(EveryDType, ForwardInferenceUsesTheGivenStatistics) {
  for (const auto& test : cases::AllCases(GetParam())) {
    Problem p(test);
    const auto count = static_cast<size_t>(Normalization(test.spec, test.layout).num_statistics());
    reference::Statistics given{cases::Normals(static_cast<int64_t>(count), 9, 3, 1),
                                std::vector<double>(count, 2.25)};
    const Layout flat({{kC, static_cast<int64_t>(count)}});
    const Tensor mean = cases::MakeTensor(flat, ParameterDType(test.dtype), given.mean);
    const Tensor variance = cases::MakeTensor(flat, ParameterDType(test.dtype), given.variance);
    const Tensor y =
        ForwardInference(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, &mean, &variance);
    const auto exact = reference::Forward(p.inputs(), given);
    const auto got = ToDoubles(y);
    for (size_t i = 0; i < exact.size(); ++i)
      ASSERT_NEAR(got[i], exact[i],
                  64 * cases::UnitRoundoff(test.dtype) * (1 + std::abs(exact[i])) +
                      cases::StorageError(test.dtype, exact[i]))
          << test.ToString() << " element " << i;
  }
}

TEST_P(EveryDType, InferenceWithoutStatisticsIsTrainingForwardWhereNothingRuns) {
  for (const auto& test : cases::AllCases(GetParam())) {
    if (test.spec.running) continue;
    const Problem p(test);
    const auto training = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, nullptr);
    const auto inference =
        ForwardInference(test.spec, p.x_tensor, &p.gamma_tensor, nullptr, nullptr, nullptr);
    EXPECT_EQ(ToDoubles(training.y), ToDoubles(inference)) << test.ToString();
  }
}

// Against the reference, with the error of dx as a fraction of its largest element.
void CheckGradients(const cases::Case& test, const NormOptions& options) {
  const Problem p(test);
  const auto forward =
      ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options);
  const auto got = Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor,
                            forward, options);
  auto in = p.inputs();
  in.relu = options.activation == Activation::kRelu;
  const auto exact = reference::Backward(in, reference::ComputeStatistics(in), p.dy);
  const double tolerance = GradientTolerance(test.dtype), of_sums = std::min(tolerance, 1e-6);
  // With a reducer one value may have company on other ranks, and dx may be a rounding error.
  const bool alone = options.reducer && test.layout.SizeOf(test.spec.reduce) == 1;
  if (!alone) {
    EXPECT_LE(RelativeError(got.dx, exact.dx, 1), tolerance) << test.ToString();
  }
  EXPECT_LE(RelativeError(got.dgamma, exact.dgamma, 1), of_sums) << test.ToString();
  EXPECT_LE(RelativeError(got.dbeta, exact.dbeta, 1), of_sums) << test.ToString();

  // The parameters' alone.
  Tensor dgamma = p.gamma_tensor.Clone(), dbeta = p.gamma_tensor.Clone();
  auto args = p.BackwardArgs(forward);
  args.dgamma = dgamma.data(), args.dbeta = dbeta.data();
  Normalization(test.spec, test.layout, test.dtype, options).Backward(args);
  EXPECT_LE(RelativeError(dgamma, exact.dgamma, 1), of_sums) << test.ToString() << " without dx";
  EXPECT_LE(RelativeError(dbeta, exact.dbeta, 1), of_sums) << test.ToString() << " without dx";
}

TEST_P(EveryDType, GradientsAreThoseOfTheReference) {
  Alone one;
  auto all = cases::AllCases(GetParam());
  std::ranges::copy(cases::CustomCases(GetParam()), std::back_inserter(all));
  for (const auto& test : all)
    for (Activation activation : {Activation::kNone, Activation::kRelu})
      for (Reducer* reducer : {static_cast<Reducer*>(nullptr), static_cast<Reducer*>(&one)})
        CheckGradients(test, {.activation = activation, .reducer = reducer});
}

TEST(LargeStatistics, GradientsAreThoseOfTheReference) {
  for (const auto& test : cases::LargeStatisticCases(DType::kF32)) CheckGradients(test, {});
  // Enough units to be taken one by one, each of runs that lie apart and more than one chunk.
  CheckGradients({kLayerNorm, Layout::Make("TBC", std::vector<int64_t>{3, 16, 25'000})}, {});
}

TEST_P(EveryDType, FixedStatisticsPassNoGradient) {
  for (const auto& test : cases::AllCases(GetParam())) {
    const Problem p(test);
    const Normalization norm(test.spec, test.layout, test.dtype);
    const auto forward = ForwardTraining(test.spec, p.x_tensor, nullptr, nullptr);
    Tensor dx(test.layout, test.dtype);
    auto args = p.BackwardArgs(forward);
    args.dx = dx.data();
    args.fixed_statistics = true;
    norm.Backward(args);
    const auto exact =
        reference::Backward(p.inputs(), {forward.mean, forward.variance}, p.dy, true);
    EXPECT_LE(RelativeError(dx, exact.dx, 1), GradientTolerance(test.dtype)) << test.ToString();
  }
}

}  // namespace
}  // namespace normkit
