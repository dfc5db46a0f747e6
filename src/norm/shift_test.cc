// The number around which sums of the backward pass are taken shows in no result: neither where dy
// lie far from 0, nor where that number may not be used, because x - mean does not add up to 0.
#include <gtest/gtest.h>

#include "src/norm/case_bounds.h"
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

// The gradients of the parameters alone.
struct Sums {
  std::vector<float> dgamma, dbeta;
  bool operator==(const Sums&) const = default;
};

NormResult Forward(const Problem& p, const NormOptions& options = {}) {
  return ForwardTraining(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options);
}

Sums SumsOf(const Problem& p, const NormResult& forward, const NormOptions& options = {},
            bool fixed = false) {
  Sums sums{std::vector<float>(p.gamma.size()), std::vector<float>(p.gamma.size())};
  auto args = p.BackwardArgs(forward);
  args.dgamma = sums.dgamma.data(), args.dbeta = sums.dbeta.data();
  args.fixed_statistics = fixed;
  Normalization(p.test.spec, p.test.layout, DType::kF32, options).Backward(args);
  return sums;
}

// Both against those of their terms in f64, within the contract's bounds: 4 u of
// sum(|dy| (1 + |xhat|)) and of sum|dy|.
void Check(const Problem& p, const NormResult& forward, const Sums& got) {
  const auto stat = reference::IndexOver(p.test.layout, static_cast<Dims>(~p.test.spec.reduce));
  const auto param = reference::IndexOver(p.test.layout, p.test.spec.affine);
  const double unit = 4 * cases::UnitRoundoff(DType::kF32);
  std::vector<double> exact(p.gamma.size()), spread(exact), sum(exact), size(exact);
  for (size_t i = 0; i < p.x.size(); ++i) {
    const auto s = static_cast<size_t>(stat[i]), c = static_cast<size_t>(param[i]);
    const double xhat = (p.x[i] - forward.mean[s]) * forward.rstd[s];
    exact[c] += p.dy[i] * xhat, sum[c] += p.dy[i];
    spread[c] += std::abs(p.dy[i]) * (1 + std::abs(xhat)), size[c] += std::abs(p.dy[i]);
  }
  for (size_t c = 0; c < exact.size(); ++c) {
    EXPECT_NEAR(got.dgamma[c], exact[c], unit * spread[c]) << p.test.ToString();
    EXPECT_NEAR(got.dbeta[c], sum[c], unit * size[c]) << p.test.ToString();
  }
}

TEST(Shift, FixedStatisticsAreNotThoseOfX) {
  for (const Case& test : kCases) {
    const Problem p = FarProblem(test, 1);
    NormResult given = Forward(p);
    for (double& mean : given.mean) mean += 1.5;
    Check(p, given, SumsOf(p, given, {}, /*fixed=*/true));
  }
}

TEST(Shift, StatisticsOfTwoRanksAreThoseOfNeither) {
  const Case test = kCases[0];
  RunRanks(2, [&](Reducer& reducer) {
    const auto rank = static_cast<uint64_t>(reducer.rank());
    Problem p(test, cases::Normals(test.layout.size(), rank + 1, rank == 0 ? -2 : 5, 1), rank + 1);
    p.AddToDy(kFar);
    const NormOptions options{.reducer = &reducer};
    const NormResult forward = Forward(p, options);
    EXPECT_NEAR(forward.mean[0], 1.5, 0.5);
    Check(p, forward, SumsOf(p, forward, options));
  });
}

// A statistic with one parameter, as the others, but of x whose mean is not subtracted.
TEST(Shift, RmsDoesNotCenter) {
  for (const Layout& layout : {Layout::Make("BCS", std::vector<int64_t>{5, 1, 60}),
                               Layout::Make("BSC", std::vector<int64_t>{5, 60, 1})}) {
    const Problem p = FarProblem({kRmsNorm, layout}, 3);
    const NormResult forward = Forward(p);
    Check(p, forward, SumsOf(p, forward));
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
  const NormResult forward = Forward(p, options);
  Check(p, forward, SumsOf(p, forward, options));
}

// Of dy that do not lie together far from 0 the sums are as they were: sums around a number that is
// off by a deviation lose more than those around 0. Where there are other ranks nothing is shifted;
// of twins the statistics are the same, and the sums those of the rank.
TEST(Shift, OrdinaryDyAreNotShifted) {
  Twins twins;
  const NormOptions options{.reducer = &twins};
  for (const Case& test : kCases) {
    const Problem p(test, {}, 2);
    EXPECT_EQ(SumsOf(p, Forward(p)), SumsOf(p, Forward(p, options), options)) << test.ToString();
  }
}

// Where dx is wanted units are taken one by one; where it is not, chunks of large cells on threads.
TEST(Shift, ParametersAloneHaveTheBitsOfThoseWithDx) {
  const Case large[] = {{kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{3, 2, 70'001})},
                        {kInstanceNorm, Layout::Make("BCS", std::vector<int64_t>{2, 1, 150'000})}};
  for (const Case& test : large) {
    Problem p(test);
    p.AddToDy(kFar);
    const NormResult forward = Forward(p);
    const NormGradients all =
        Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward);
    const auto values = [](const Tensor& tensor) {
      const auto span = tensor.values<float>();
      return std::vector<float>(span.begin(), span.end());
    };
    EXPECT_EQ(SumsOf(p, forward), (Sums{values(all.dgamma), values(all.dbeta)})) << test.ToString();
  }
}

}  // namespace
}  // namespace normkit
