// The number around which sums of the backward pass are taken shows in no result: neither where dy
// lie far from 0, nor where that number may not be used, because x - mean does not add up to 0.
#include <gtest/gtest.h>

#include "src/norm/cases.h"
#include "src/norm/test_reducers.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

constexpr double kFar = 1e4;  // from 0, in standard deviations of dy

const Case kCases[] = {{kBatchNorm, Layout::Make("BCSS", std::vector<int64_t>{6, 3, 8, 5})},
                       {kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{40, 4, 3})},
                       {kBatchNorm, Layout::Make("BSC", std::vector<int64_t>{6, 11, 19})},
                       {kInstanceNorm, Layout::Make("BCS", std::vector<int64_t>{6, 3, 70})}};

Problem FarProblem(const Case& test, uint64_t seed) {
  Problem p(test, cases::Normals(test.layout.size(), seed, 3, 2), seed);
  p.AddToDy(kFar);
  return p;
}

// Both sums of a call against those of its terms in f64, within the contract's bounds: 4 u of
// sum(|dy| (1 + |xhat|)) and of sum|dy|.
void CheckSums(const Problem& p, const std::vector<double>& mean, const std::vector<double>& rstd,
               const std::vector<float>& dgamma, const std::vector<float>& dbeta) {
  const auto stat = reference::IndexOver(p.test.layout, static_cast<Dims>(~p.test.spec.reduce));
  const auto param = reference::IndexOver(p.test.layout, p.test.spec.affine);
  const double unit = 4 * cases::UnitRoundoff(DType::kF32);
  std::vector<double> exact(dgamma.size()), spread(exact), sum(exact), size(exact);
  for (size_t i = 0; i < p.x.size(); ++i) {
    const auto s = static_cast<size_t>(stat[i]), c = static_cast<size_t>(param[i]);
    const double xhat = (p.x[i] - mean[s]) * rstd[s];
    exact[c] += p.dy[i] * xhat, sum[c] += p.dy[i];
    spread[c] += std::abs(p.dy[i]) * (1 + std::abs(xhat)), size[c] += std::abs(p.dy[i]);
  }
  for (size_t c = 0; c < exact.size(); ++c) {
    EXPECT_NEAR(dgamma[c], exact[c], unit * spread[c]) << p.test.ToString();
    EXPECT_NEAR(dbeta[c], sum[c], unit * size[c]) << p.test.ToString();
  }
}

TEST(Shift, FixedStatisticsAreNotThoseOfX) {
  for (const Case& test : kCases) {
    const Problem p = FarProblem(test, 1);
    NormResult given = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    for (double& mean : given.mean) mean += 1.5;
    std::vector<float> dgamma(p.gamma.size()), dbeta(p.gamma.size());
    auto args = p.BackwardArgs(given);
    args.dgamma = dgamma.data(), args.dbeta = dbeta.data(), args.fixed_statistics = true;
    Normalization(test.spec, test.layout).Backward(args);
    CheckSums(p, given.mean, given.rstd, dgamma, dbeta);
  }
}

TEST(Shift, StatisticsOfTwoRanksAreThoseOfNeither) {
  const Case test = kCases[0];
  RunRanks(2, [&](Reducer& reducer) {
    const auto rank = static_cast<uint64_t>(reducer.rank());
    Problem p(test, cases::Normals(test.layout.size(), rank + 1, rank == 0 ? -2 : 5, 1), rank + 1);
    p.AddToDy(kFar);
    const NormOptions options{.reducer = &reducer};
    const Normalization norm(test.spec, test.layout, DType::kF32, options);
    std::vector<double> mean(3), rstd(3);
    Tensor y(test.layout), dx(test.layout);
    norm.ForwardTraining(p.x_tensor.data(), nullptr, nullptr, y.data(),
                         {.mean = mean.data(), .rstd = rstd.data()});
    EXPECT_NEAR(mean[0], 1.5, 0.5);
    std::vector<float> dgamma(3), dbeta(3);
    norm.Backward({.x = p.x_tensor.data(),
                   .dy = p.dy_tensor.data(),
                   .mean = mean.data(),
                   .rstd = rstd.data(),
                   .dx = dx.data(),
                   .dgamma = dgamma.data(),
                   .dbeta = dbeta.data()});
    CheckSums(p, mean, rstd, dgamma, dbeta);
  });
}

// A statistic with one parameter, as the others, but of x whose mean is not subtracted.
TEST(Shift, RmsDoesNotCenter) {
  for (const char* format : {"BCS", "BSC"}) {
    const bool first = format[1] == 'C';
    const Case test{kRmsNorm, Layout::Make(format, first ? std::vector<int64_t>{5, 1, 60}
                                                         : std::vector<int64_t>{5, 60, 1})};
    const Problem p = FarProblem(test, 3);
    const NormResult forward =
        ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    std::vector<float> dgamma(1), dbeta(1);
    auto args = p.BackwardArgs(forward);
    args.dgamma = dgamma.data(), args.dbeta = dbeta.data();
    Normalization(test.spec, test.layout).Backward(args);
    CheckSums(p, forward.mean, forward.rstd, dgamma, dbeta);
  }
}

// Leaves of a trend: the mean of each is far from that of all.
TEST(Shift, LeavesAreNotTheWhole) {
  const Case test{kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{33, 2, 40})};
  std::vector<double> x = cases::Normals(test.layout.size(), 5, 0, 1);
  for (size_t i = 0; i < x.size(); ++i) x[i] += static_cast<double>(i / 80);
  Problem p(test, std::move(x), 5);
  p.AddToDy(kFar);
  const NormOptions options{.tree = true};
  const NormResult forward =
      ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options);
  std::vector<float> dgamma(2), dbeta(2);
  auto args = p.BackwardArgs(forward);
  args.dgamma = dgamma.data(), args.dbeta = dbeta.data();
  Normalization(test.spec, test.layout, DType::kF32, options).Backward(args);
  CheckSums(p, forward.mean, forward.rstd, dgamma, dbeta);
}

// Of dy that do not lie together far from 0 the sums are as they were: sums around a number that is
// off by a deviation lose more than those around 0. Where there are other ranks nothing is shifted;
// of twins the statistics are the same, and the sums those of the rank.
TEST(Shift, OrdinaryDyAreNotShifted) {
  Twins twins;
  for (const Case& test : kCases) {
    const Problem p(test, {}, 2);
    std::vector<float> dgamma[2], dbeta[2];
    for (const size_t i : {0u, 1u}) {
      const NormOptions options{.reducer = i == 0 ? nullptr : &twins};
      const NormResult forward =
          ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options);
      dgamma[i].resize(p.gamma.size()), dbeta[i].resize(p.gamma.size());
      auto args = p.BackwardArgs(forward);
      args.dgamma = dgamma[i].data(), args.dbeta = dbeta[i].data();
      Normalization(test.spec, test.layout, DType::kF32, options).Backward(args);
    }
    EXPECT_EQ(dgamma[0], dgamma[1]) << test.ToString();
    EXPECT_EQ(dbeta[0], dbeta[1]) << test.ToString();
  }
}

// Where dx is wanted units are taken one by one; where it is not, chunks of large cells on threads.
TEST(Shift, ParametersAloneHaveTheBitsOfThoseWithDx) {
  const Case large[] = {{kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{3, 2, 70'001})},
                        {kInstanceNorm, Layout::Make("BCS", std::vector<int64_t>{2, 1, 150'000})}};
  for (const Case& test : large) {
    Problem p(test);
    p.AddToDy(kFar);
    const NormResult forward =
        ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const NormGradients all =
        Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward);
    std::vector<float> dgamma(p.gamma.size()), dbeta(p.gamma.size());
    auto args = p.BackwardArgs(forward);
    args.dgamma = dgamma.data(), args.dbeta = dbeta.data();
    Normalization(test.spec, test.layout).Backward(args);
    for (size_t c = 0; c < dgamma.size(); ++c) {
      EXPECT_EQ(dgamma[c], all.dgamma.values<float>()[c]) << test.ToString();
      EXPECT_EQ(dbeta[c], all.dbeta.values<float>()[c]) << test.ToString();
    }
  }
}

}  // namespace
}  // namespace normkit
