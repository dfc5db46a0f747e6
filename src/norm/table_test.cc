// The whole table of cases: errors within the contract's bounds, and the same bits wherever, on
// however many threads and whichever way arrays lie.
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/norm/case_bounds.h"
#include "src/norm/case_testing.h"
#include "src/norm/cpu/backward.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/norm/slabs.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

class TableTest : public testing::TestWithParam<DType> {
 protected:
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    SetNumThreads(0);
  }
};
INSTANTIATE_TEST_SUITE_P(Norm, TableTest, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

TEST_P(TableTest, ErrorsStayWithinTheContract) {
  for (const cases::Sizes& sizes : {cases::Sizes{.b = 3, .t = 5, .s = 7, .c = 6, .groups = 2},
                                    {.b = 2, .t = 3, .s = 9, .c = 36, .groups = 4},
                                    {.b = 5, .t = 1, .s = 2, .c = 4, .groups = 2}})
    for (const Case& test : cases::Table(GetParam(), sizes)) {
      if (!test.DenseAndWhole() || test.layout.size() > 4'000) continue;
      const Problem p(test);
      const NormResult forward =
          ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, test.Options());
      EXPECT_LE(cases::WorstForwardFraction(p, forward.y), 1) << test.ToString();
      EXPECT_LE(cases::WorstGradientFractions(p, cases::GradientsOf(p, forward)).Largest(), 1)
          << test.ToString();
    }
}

// Sizes around the widths of vectors, virtual lanes, blocks and groups of rows.
const cases::Sizes kWidths[] = {{.b = 1, .t = 2, .s = 16, .c = 32, .groups = 4},
                                {.b = 3, .t = 1, .s = 33, .c = 17, .groups = 1},
                                {.b = 2, .t = 17, .s = 5, .c = 65, .groups = 5},
                                {.b = 5, .t = 2, .s = 2, .c = 130, .groups = 10}};

std::vector<Case> CasesOfAllWidths(DType dtype) {
  std::vector<Case> result = cases::Table(dtype, {.b = 3, .t = 4, .s = 5, .c = 8});
  if (dtype == DType::kF32)
    for (const cases::Sizes& sizes : kWidths)
      for (Case& test : cases::AllCases(dtype, sizes)) result.push_back(std::move(test));
  for (const int64_t n : {1, 2, 15, 16, 31, 63, 1023, 1024, 1025, 4097})
    for (const char* format : {"BC", "CT"})
      for (const NormSpec& spec : {kLayerNorm, kBatchNorm, kRmsNorm})
        result.push_back({spec, cases::MakeLayout(format, {.b = 3, .t = n, .c = n}), dtype});
  const auto add = [&](const NormSpec& spec, std::vector<int64_t> shape) {
    result.push_back({spec, Layout::Make("BSC", shape), dtype});
  };
  add(kBatchNorm, {8, 300, 41});
  // Few channels, whose rows are joined; the last chunk of one is a few rows.
  for (const int64_t n : {2, 3, 7, 24}) {
    add(kBatchNorm, {2, 151, n});
    add(kInstanceNorm, {2, 300, n});
    add(kLayerNorm, {2, 101, n});
  }
  add(kBatchNorm, {1, 517, 32});
  std::erase_if(result, [](const Case& test) {
    return test.layout.size() > (test.spec.reduce & kB ? 100'000 : 13'000);
  });
  // Those that say none go round, each with ReLU as well.
  const size_t plain = result.size();
  for (size_t i = 0; i < plain; ++i)
    if (result[i].activation == Activation::kNone)
      result.emplace_back(result[i]).activation =
          cases::kActivations[1 + i % (std::size(cases::kActivations) - 1)];
  return result;
}

TEST_P(TableTest, AllTargetsAndThreadsGiveTheSameBits) {
  for (const Case& test : CasesOfAllWidths(GetParam())) {
    const Problem p(test);
    SetNumThreads(1);
    const std::string expected = cases::ResultsOf(p);
    SetNumThreads(3);
    for (const std::string& target : simd::AvailableTargets()) {
      ASSERT_TRUE(simd::ForceTarget(target));
      ASSERT_TRUE(cases::ResultsOf(p) == expected) << test.ToString() << " on " << target;
    }
    simd::ForceTarget(simd::AvailableTargets().front());
  }
}

TEST_P(TableTest, BitsAreThoseOfDenseArrays) {
  std::vector<Case> all = cases::Table(GetParam(), {.b = 3, .t = 4, .s = 5, .c = 8});
  for (const cases::Lie& lie : cases::kLies) {
    const auto add = [&](const NormSpec& spec, const char* format, std::vector<int64_t> shape) {
      all.push_back(
          {.spec = spec, .layout = Layout::Make(format, shape), .dtype = GetParam(), .lie = &lie});
    };
    add(kLayerNorm, "BC", {40, 700});
    add(kBatchNorm, "BSC", {20, 30, 40});
    add(kBatchNorm, "BSC", {3, 70, 6});
    add(kBatchNorm, "BSC", {5, 30, 128});    // slabs of few columns would join rows
    add(kInstanceNorm, "BSC", {6, 30, 96});  // too few of them: observations are cut by twos
    add(kLayerNorm, "BSC", {3, 100, 3});
    add(kInstanceNorm, "BCS", {3, 4, 2500});
    const std::vector<int64_t> maps{2, 3, 4, 700};  // three axes that slabs may cut
    add(LayerNormSpec(OperationDimension::kChannelOnly, Layout::Make("BSSC", maps)), "BSSC", maps);
  }
  for (const Case& test : all) {
    if (!test.lie) continue;
    Case dense = test;
    dense.lie = nullptr;
    SetNumThreads(1);
    const std::string expected = cases::ResultsOf(Problem(dense));
    SetNumThreads(3);
    const int64_t slabs = WantSlabsOf(0);
    for (const int64_t bytes : {int64_t{0}, int64_t{2000}, slabs}) {
      WantSlabsOf(bytes);
      ASSERT_TRUE(cases::ResultsOf(Problem(test)) == expected)
          << test.ToString() << ", slabs of " << bytes;
    }
  }
}

// Adds a case to those of a dtype, groups of two where there are groups.
struct CasesOf {
  DType dtype;
  std::vector<Case>& all;

  void operator()(const NormSpec& spec, const char* format, const std::vector<int64_t>& shape,
                  Dims axes = 0) const {
    all.push_back({spec, cases::InGroups(spec, Layout::Make(format, shape), 2), dtype, axes});
  }
};

// So many statistics or cells that a call goes by slabs, one after the other in memory or not, the
// last one smaller; with parameters of their own and shared ones, given or not.
TEST_P(TableTest, SlabsOfManyStatisticsGiveTheSameBits) {
  std::vector<Case> all = cases::Table(GetParam(), {.b = 3, .t = 4, .s = 5, .c = 8});
  const CasesOf add{GetParam(), all};
  for (const Dims axes : {Dims{0}, Dims{kB | kC}, Dims{kC | kS}}) {
    add(kInstanceNorm, "BCS", {43, 5, 3}, axes);
    add(kInstanceNorm, "BCS", {2, 301, 2}, axes);
    add(kInstanceNorm, "BCS", {3, 4, 300}, axes);
    add(kInstanceNorm, "BSC", {41, 3, 70}, axes);
    add(kInstanceNorm, "BSC", {3, 3, 200}, axes);  // an observation singly: strips
    add(kInstanceNorm, "BSC", {3, 1, 200}, axes);
    add(kGroupNorm, "BSC", {45, 3, 12}, axes);
    add(kGroupNorm, "BCS", {77, 6, 3}, axes);
    add(kBatchNorm, "BCS", {3, 701, 2}, axes);
    add(kBatchNorm, "BSC", {3, 2, 901}, axes);
    add(kLayerNorm, "BCS", {701, 1, 1}, axes);
    add(kLayerNormChannelOnly, "BCS", {3, 2, 701}, axes);
    add(kLayerNormChannelOnly, "BCS", {1, 90, 701}, axes);
    add(kRmsNorm, "BCS", {701, 1, 2}, axes);
    add(kInstanceNorm, "BCS", {3, 1001, 1}, axes);  // some slabs share parameters
    add(kInstanceNorm, "BTCS", {2, 3, 701, 2}, axes);
    add(kBatchNorm, "BCS", {3, 1001, 1}, axes);  // parameters of a slab lie apart
    add(kBatchNorm, "TBC", {3, 2, 901}, kB | kC);
  }
  for (size_t i = 0, n = all.size(); i < n; ++i)  // y in 8 bits as well
    if (all[i].DenseAndWhole()) all.emplace_back(all[i]).output = cases::kOutputTypes[i % 3];
  for (const Case& test : all) {
    if (test.lie) continue;
    SetNumThreads(1);
    const std::string expected = cases::ResultsOf(Problem(test));
    SetNumThreads(3);
    const int64_t slabs = WantSlabsOf(0);
    for (const int64_t bytes : {int64_t{0}, int64_t{1000}}) {
      WantSlabsOf(bytes);
      const std::string results = cases::ResultsOf(Problem(test));
      WantSlabsOf(slabs);
      ASSERT_TRUE(results == expected) << test.ToString() << ", slabs of " << bytes;
    }
  }
}

// Gradients of parameters that are finished slice by slice.
TEST_P(TableTest, SlicesOfParametersGiveTheSameBits) {
  std::vector<Case> all = cases::Table(GetParam(), {.b = 3, .t = 4, .s = 5, .c = 8});
  const CasesOf add{GetParam(), all};
  // Tasks of 32 rows and repeats, merged as a tree.
  add(kLayerNorm, "BC", {40, 1100});
  add(kLayerNorm, "BC", {170, 1030});
  add(kLayerNorm, "BC", {4, 70'000});  // rows of more than a chunk
  add(kRmsNorm, "BTC", {100, 3, 9}, kT | kC);
  add(kRmsNorm, "BTC", {170, 2, 40}, kT | kC);
  add(kInstanceNorm, "BCS", {70, 6, 35}, kC | kS);
  add(kGroupNorm, "BCS", {70, 6, 35}, kC | kS);
  add(kGroupNorm, "BC", {100, 46});
  // Columns, whose strips are tasks of their own.
  add(kLayerNormChannelOnly, "BCS", {9, 5, 1500}, kC | kS);
  add(kLayerNormChannelOnly, "BCS", {70, 33, 70}, kC | kS);
  add(kLayerNormChannelOnly, "BTCS", {3, 4, 5, 70}, kT | kC | kS);
  add(kLayerNormChannelOnly, "BCS", {90, 33, 2}, kB | kC);
  add(kLayerNormChannelOnly, "BCS", {7, 5, 2500}, kB | kC);  // of each unit some tasks
  // Cells, over and over.
  add(kLayerNorm, "BCS", {3, 300, 3});
  add(kGroupNorm, "BCS", {5, 42, 40});
  add(kBatchNorm, "BCS", {7, 35, 4}, kB | kC);
  // Columns of few rows.
  add(kBatchNorm, "BC", {701, 2}, kB | kC);
  add(kBatchNorm, "BC", {5, 230}, kB | kC);
  add(kBatchNorm, "BSC", {40, 3, 7}, kB | kC);
  add(kBatchNorm, "BSC", {3, 4, 230}, kB | kC);
  add(kBatchNorm, "BSC", {17, 40, 6}, kS | kC);
  all.push_back(all.back());
  all.back().output = OutputType::kInt8;
  for (const Case& test : all) {
    const Problem p(test);
    SetNumThreads(1);
    const std::string expected = cases::ResultsOf(p);
    SetNumThreads(3);
    for (const int64_t parameters : {1, 100}) {
      norm::cpu::WantSlicesOf(parameters);
      norm::cpu::WantSchedule({.threads = true});
      const std::string results = cases::ResultsOf(p);
      norm::cpu::WantSchedule({});
      norm::cpu::WantSlicesOf(0);
      ASSERT_TRUE(results == expected) << test.ToString() << ", slices of " << parameters;
    }
  }
}

// Backward of so many that what passes back is kept for those that are taken together alone.
TEST_P(TableTest, ManyShortRunsHaveTheBitsOfFew) {
  constexpr int64_t kMany = 5000, kFew = 100;  // observations, of 20 groups or steps
  for (const auto& [spec, format] : {std::pair{kGroupNorm, "BC"}, {kLayerNormChannelOnly, "BTC"}}) {
    const auto layout = [&](int64_t b) {
      const int64_t channels = IsGrouped(spec) ? 360 : 18;
      return cases::InGroups(spec, cases::MakeLayout(format, {.b = b, .t = 20, .c = channels}), 20);
    };
    const Problem p({spec, layout(kMany), GetParam()});
    const auto dx = [&](int64_t b) {
      const Normalization norm(spec, layout(b), GetParam());
      Tensor y(layout(b), GetParam()), result(layout(b), GetParam());
      std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd(mean);
      const auto bytes = static_cast<size_t>(y.bytes());
      const size_t begin = static_cast<size_t>(p.x_tensor.bytes()) - bytes;
      const char* x = static_cast<const char*>(p.x_tensor.data()) + begin;
      norm.ForwardTraining(x, p.gamma_tensor.data(), nullptr, y.data(), {mean.data(), rstd.data()});
      norm.Backward({.x = x,
                     .dy = static_cast<const char*>(p.dy_tensor.data()) + begin,
                     .gamma = p.gamma_tensor.data(),
                     .mean = mean.data(),
                     .rstd = rstd.data(),
                     .dx = result.data()});
      return std::string(static_cast<const char*>(result.data()), bytes);
    };
    EXPECT_TRUE(dx(kMany).ends_with(dx(kFew))) << p.test.ToString();
  }
}

// The bytes of dgamma and dbeta, where dx is wanted as well.
std::string GradientsOf(const Problem& p, bool accumulate) {
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype);
  const auto statistics = static_cast<size_t>(norm.num_statistics());
  std::vector<double> mean(statistics), rstd(statistics);
  Tensor y(p.test.layout, p.test.dtype);
  norm.ForwardTraining(p.x_tensor.data(), p.gamma_tensor.data(), p.beta_tensor.data(), y.data(),
                       {mean.data(), rstd.data()});
  const auto bytes = static_cast<size_t>(p.gamma_tensor.bytes());
  std::vector<std::byte> dx(static_cast<size_t>(y.bytes()));
  std::string gradients(2 * bytes, 0);
  norm.Backward({.x = p.x_tensor.data(),
                 .dy = p.dy_tensor.data(),
                 .gamma = p.gamma_tensor.data(),
                 .mean = mean.data(),
                 .rstd = rstd.data(),
                 .dx = dx.data(),
                 .dgamma = gradients.data(),
                 .dbeta = gradients.data() + bytes,
                 .accumulate = accumulate});
  return gradients;
}

// Which threads share by parts of them, where one thread takes row by row.
TEST_P(TableTest, FewLongRowsOfSeveralThreadsHaveTheSameBits) {
  // Sums of parameters of up to 16 rows are those of f32.
  const std::vector<int64_t> shapes[] = {{3, 40000}, {16, 7000}, {18, 6500}};
  for (const std::vector<int64_t>& shape : shapes) {
    for (const NormSpec& spec : {kLayerNorm, kRmsNorm}) {
      const Problem p(Case{spec, Layout::Make("BC", shape), GetParam()});
      SetNumThreads(1);
      const std::string expected = cases::ResultsOf(p);
      for (const int threads : {2, 3}) {
        SetNumThreads(threads);
        ASSERT_TRUE(cases::ResultsOf(p) == expected) << p.test.ToString() << ", " << threads;
        // Stored at once, and added to zeros.
        ASSERT_TRUE(GradientsOf(p, false) == GradientsOf(p, true))
            << p.test.ToString() << ", " << threads;
      }
    }
  }
}

}  // namespace
}  // namespace normkit
