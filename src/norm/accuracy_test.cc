// The largest errors on data that break careless sums, as shares of what docs/numerics.md promises.
#include <gtest/gtest.h>

#include <cstdio>

#include "src/norm/case_bounds.h"
#include "src/norm/choose.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

class Accuracy : public testing::Test {
 protected:
  void TearDown() override { simd::ForceTarget(simd::AvailableTargets().front()); }
};

// Data that breaks careless sums.
struct Data {
  const char* name;
  std::vector<double> (*make)(int64_t n);
};

std::vector<double> Trend(int64_t n) {
  std::vector<double> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    values[static_cast<size_t>(i)] = 1e4 * static_cast<double>(i) / static_cast<double>(n);
  return values;
}

std::vector<double> OutlierFirst(int64_t n) {
  auto values = cases::Normals(n, 3, 0, 1);
  values[0] = 1e6;
  return values;
}

std::vector<double> Relued(int64_t n) {
  auto values = cases::Normals(n, 4, 0, 1);
  for (double& v : values) v = std::max(0.0, v);
  return values;
}

// Cubes of normals: most are small, some are large.
std::vector<double> HeavyTails(int64_t n) {
  auto values = cases::Normals(n, 6, 0, 1);
  for (double& v : values) v = v * v * v;
  return values;
}

// Of the statistics of rows of 1,024, the first 32 are 0 and the others one number, whose squares
// are all rounded alike: each is a thousandth of the one beside which a lane begins.
std::vector<double> ZerosThenOneNumber(int64_t n) {
  std::vector<double> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double number = 0.1 + 0.37 * static_cast<double>(i / 1024);
    values[static_cast<size_t>(i)] = i % 1024 < 32 ? 0.0 : number;
  }
  return values;
}

const Data kData[] = {
    {"mean 0", [](int64_t n) { return cases::Normals(n, 3, 0, 1); }},
    {"mean 1e2", [](int64_t n) { return cases::Normals(n, 3, 1e2, 1); }},
    {"mean 1e4", [](int64_t n) { return cases::Normals(n, 3, 1e4, 1); }},
    {"mean 1e6", [](int64_t n) { return cases::Normals(n, 3, 1e6, 1); }},
    {"mean -1e6", [](int64_t n) { return cases::Normals(n, 3, -1e6, 1); }},
    {"constant", [](int64_t n) { return std::vector<double>(static_cast<size_t>(n), 1234.567); }},
    {"trend", Trend},
    {"outlier first", OutlierFirst},
    {"ReLU'd", Relued},
    {"heavy tails", HeavyTails},
    {"zeros, then one number", ZerosThenOneNumber},
};

std::vector<Case> AccuracyCases() {
  std::vector<Case> result;
  for (const NormSpec& spec : NormSpecs()) {
    for (const char* format : {"BCSS", "BSSC", "BTC", "BC"}) {
      const cases::Sizes sizes{.b = 8, .t = 40, .s = 15, .c = 48, .groups = 8};
      result.push_back({spec, cases::InGroups(spec, cases::MakeLayout(format, sizes), 8)});
    }
  }
  for (int64_t n : {1, 2, 768, 50257, 1 << 17})
    result.push_back({kLayerNorm, cases::MakeLayout("BC", {.b = 3, .c = n})});
  // Statistics gathered from many runs of a few elements.
  for (int64_t s : {2, 3, 5, 8, 16, 31})
    for (int64_t b : {32, 600})
      result.push_back({kBatchNorm, cases::MakeLayout("BCS", {.b = b, .s = s, .c = 48})});
  result.push_back({kBatchNorm, Layout::Make("BCSS", std::vector<int64_t>{64, 64, 2, 2})});
  result.push_back({kLayerNorm, cases::MakeLayout("BC", {.b = 64, .c = 1024})});
  // Many statistics: the worst of them is what is promised.
  result.push_back({kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{32, 1000, 3})});
  return result;
}

TEST_F(Accuracy, ErrorsStayWithinTheContract) {
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const Data& data : kData) {
      double worst = 0;
      for (const Case& test : AccuracyCases()) {
        const Problem p(test, data.make(test.layout.size()));
        const auto y = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor).y;
        const double fraction = cases::WorstForwardFraction(p, y);
        EXPECT_LE(fraction, 1) << test.ToString() << ", " << data.name << " on " << target;
        worst = std::max(worst, fraction);
      }
      std::printf("  %s, %s: at most %.2f of the bound\n", target.c_str(), data.name, worst);
    }
  }
}

// Statistics of many cells: what rounding takes of the mean at each must not add up.
TEST_F(Accuracy, F64HoldsOverManyCells) {
  for (const double mean : {0.0, 1e4})
    for (const char* format : {"BCSS", "BSSC"}) {
      const std::vector<int64_t> first = {2, 4096, 3, 4}, last = {2, 3, 4, 4096};
      const Layout layout = Layout::Make(format, format[1] == 'C' ? first : last);
      for (const Case& test : {Case{kLayerNorm, layout, DType::kF64},
                               Case{kGroupNorm, layout.SplitChannels(2), DType::kF64}}) {
        const Problem p(test, cases::Normals(test.layout.size(), 3, mean, 1));
        const auto y = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor).y;
        EXPECT_LE(cases::WorstForwardFraction(p, y), 1) << test.ToString() << ", mean " << mean;
      }
    }
}

// The same of the parameters: 30,000 dy near 100 to each, a few from each observation. What
// rounding takes of the sum at each of them was up to 16 times the bound.
TEST_F(Accuracy, F64SumsOfParametersHoldOverManyCells) {
  const Layout layout = Layout::Make("BCS", std::vector<int64_t>{10'922, 4, 3});
  for (const Case& test : {Case{kLayerNorm, layout, DType::kF64},
                           Case{kGroupNorm, layout.SplitChannels(2), DType::kF64},
                           Case{kInstanceNorm, layout, DType::kF64}}) {
    Problem p(test, cases::Normals(layout.size(), 3, 0, 1));
    p.AddToDy(100);
    const auto forward = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const auto worst = cases::WorstGradientFractions(
        p, Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward));
    for (const double fraction : {worst.dx, worst.dgamma, worst.dbeta})
      EXPECT_LE(fraction, 1) << test.ToString();
  }
}

// Of many rows of elements, too: sums of 16 dy are exact, and so is that of all, in the oracle;
// where the same part of a unit in the last place were rounded off at each of them, 12 u would be.
TEST_F(Accuracy, F64SumsOfParametersHoldOverManyRows) {
  constexpr int64_t kRows = 1 << 15, kColumns = 12;
  const Case test{kLayerNorm, Layout::Make("BC", std::vector<int64_t>{kRows, kColumns}),
                  DType::kF64};
  Problem p(test, cases::Normals(test.layout.size(), 3, 0, 1));
  std::vector<double> dy(p.x.size());
  for (size_t i = 0; i < dy.size(); ++i)
    dy[i] = 1 + 0x1p-49 * static_cast<double>(2 * (i % kColumns) + 1);
  p.SetDy(dy);
  const auto forward = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
  const auto worst = cases::WorstGradientFractions(
      p, Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward));
  EXPECT_LE(worst.dgamma, 1);
  EXPECT_LE(worst.dbeta, 1);
}

// Rows whose sums are taken again around another shift, among some that are reduced together with
// them: not the first of those, nor the last.
TEST_F(Accuracy, RowsThatBeginFarFromTheirMeanAmongOthers) {
  constexpr int64_t kRows = 40;
  for (const DType dtype : cases::kDTypes)
    for (const int64_t n : {17, 200, 1024}) {
      std::vector<double> x = cases::Normals(kRows * n, 8, 0.5, 1);
      for (const int64_t row : {1, 6, 12, 23, 33})
        for (int64_t i = 0; i < n; ++i)
          x[static_cast<size_t>(row * n + i)] = i < 1 + n / 32 ? 0 : 700.1;
      const Problem p({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{kRows, n}), dtype},
                      std::move(x));
      const auto y = ForwardTraining(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor).y;
      EXPECT_LE(cases::WorstForwardFraction(p, y), 1) << p.test.ToString();
    }
}

// One dy is as large as all others together, and so its terms: what follows is rounded beside it.
// Columns of 3 statistics, of which many add to one parameter.
TEST_F(Accuracy, GradientsBesideAnOutlier) {
  const Case tests[] = {{kRmsNorm, Layout::Make("BCS", std::vector<int64_t>{10'922, 16, 3})},
                        {kLayerNorm, Layout::Make("BCS", std::vector<int64_t>{4000, 5, 2})},
                        {kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{400, 16, 3})},
                        {kBatchNorm, Layout::Make("BC", std::vector<int64_t>{48, 3000})},
                        {kInstanceNorm, Layout::Make("BSC", std::vector<int64_t>{2, 24, 1000})}};
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const Case& test : tests) {
      Problem p(test, OutlierFirst(test.layout.size()));
      p.SetDy(OutlierFirst(test.layout.size()));
      const auto forward = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
      const auto worst = cases::WorstGradientFractions(
          p,
          Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward));
      for (const double fraction : {worst.dx, worst.dgamma, worst.dbeta})
        EXPECT_LE(fraction, 1) << test.ToString() << " on " << target;
    }
  }
}

// That the gradients of dy are within their bounds, on every target.
void HoldGradients(const Case& test, const std::vector<double>& dy, double beside) {
  Problem p(test, cases::Normals(test.layout.size(), 3, 0, 1));
  p.SetDy(dy);
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    const auto forward = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const auto worst = cases::WorstGradientFractions(
        p, Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, p.dy_tensor, forward),
        0, beside);
    for (const double fraction : {worst.dx, worst.dgamma, worst.dbeta})
      EXPECT_LE(fraction, 1) << test.ToString() << " on " << target;
  }
}

// The four rows that are looked at lie together far from the others, by chance: around their middle
// every other dy would be as large as they are.
TEST_F(Accuracy, GradientsWhereFourLieTogetherByChance) {
  constexpr int64_t kRows = 64, kColumns = 4000;
  auto dy = cases::Normals(kRows * kColumns, 7, 0, 0.05);
  for (int64_t k = 0; k < 4; ++k)
    for (int64_t c = 0; c < kColumns; ++c) {
      const auto at = static_cast<size_t>((kRows - 1) * k / 3 * kColumns + c);
      dy[at] += 3 + 0.4 * static_cast<double>(k);  // 3.6 far and 1.2 wide
    }
  HoldGradients({kBatchNorm, Layout::Make("BC", std::vector<int64_t>{kRows, kColumns})}, dy, 0);
}

// One dy of each parameter outweighs all others together: each of up to 16 additions rounds beside
// it, once in a thousand parameters far to one side.
TEST_F(Accuracy, GradientsWhereOneOutweighsTheRest) {
  const Case tests[] = {{kBatchNorm, Layout::Make("BC", std::vector<int64_t>{16, 8000})},
                        {kBatchNorm, Layout::Make("BC", std::vector<int64_t>{64, 2000})},
                        {kLayerNorm, Layout::Make("BC", std::vector<int64_t>{16, 8000})},
                        {kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{1, 200, 1024})}};
  for (const Case& test : tests) {
    auto dy = cases::Normals(test.layout.size(), 5, 0, 1);
    const bool rows = test.layout.axes().size() == 3;
    for (size_t p = 0; p < (rows ? 200 : static_cast<size_t>(test.layout.axes()[1].size)); ++p) {
      double& first = dy[rows ? p * 1024 : p];
      first = 0x1p12 * (1 + 0.1 * std::abs(first));
    }
    HoldGradients(test, dy, 3);
  }
  auto tails = cases::Normals(int64_t{16} * 20'000, 5, 0, 1);
  for (double& v : tails) v = std::exp(2 * v);
  HoldGradients({kBatchNorm, Layout::Make("BC", std::vector<int64_t>{16, 20'000})}, tails, 3);
}

}  // namespace
}  // namespace normkit
