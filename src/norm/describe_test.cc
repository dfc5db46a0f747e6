// What Normalization::Describe says, and that it names what runs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/norm/cases.h"
#include "src/norm/cpu/kernels/table.h"
#include "src/norm/test_reducers.h"
#include "src/simd/cache.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// The part behind "kernel TARGET ".
std::string KernelOf(const Normalization& norm, NormPass pass) {
  const std::string text = norm.Describe(pass),
                    before = fmt::format(", kernel {} ", simd::TargetName());
  const size_t at = text.find(before);
  EXPECT_NE(at, std::string::npos) << text;
  return at == std::string::npos ? "" : text.substr(at + before.size());
}

std::string KernelOf(const NormSpec& spec, std::string_view format,
                     const std::vector<int64_t>& shape, NormPass pass,
                     const NormOptions& options = {}) {
  return KernelOf(Normalization(spec, Layout::Make(format, shape), DType::kF32, options), pass);
}

class Describe : public testing::Test {
 protected:
  void SetUp() override { SetNumThreads(2); }
  void TearDown() override { SetNumThreads(0); }
};

TEST_F(Describe, IsOneLineForEachPass) {
  const Normalization norm(kBatchNorm, Layout::Make("BCSS", std::vector<int64_t>{2, 3, 6, 6}));
  EXPECT_EQ(norm.Describe(), norm.Describe(NormPass::kForward));
  for (const NormPass pass : {NormPass::kForward, NormPass::kInference, NormPass::kBackward}) {
    const std::string path = pass == NormPass::kInference ? "one pass" : "fused rows, groups of ";
    EXPECT_THAT(norm.Describe(pass), testing::StartsWith(fmt::format(
                                         "batch {} f32 BCSS [2,3,6,6]: 3 statistics over B,S of 72 "
                                         "values each, plan RKR, kernel {} {}",
                                         Name(pass), simd::TargetName(), path)));
    EXPECT_THAT(norm.Describe(pass), EndsWith(", regular stores, 1 thread"));
  }
}

TEST_F(Describe, NamesSlabs) {
  const std::vector<int64_t> shape{64, 1000, 96};
  const NormOptions turned{.strides = {.x = {96'000, 1, 1000}}};
  // Fewer than 64 channels would be joined, and so slabs are pairs of observations.
  EXPECT_THAT(KernelOf(kInstanceNorm, "BSC", shape, NormPass::kForward, turned),
              HasSubstr(", by 32 slabs of [2,1000,96]"));
  EXPECT_THAT(KernelOf(kInstanceNorm, "BSC", shape, NormPass::kForward), Not(HasSubstr("slabs")));
  EXPECT_THAT(KernelOf(kRmsNorm, "BC", {1 << 17, 1}, NormPass::kForward),
              HasSubstr(", by 8 slabs of [16384,1]"));
}

TEST_F(Describe, SaysWhyShortRunsTakeTwoPasses) {
  const Normalization norm(kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{64, 32, 4}));
  EXPECT_THAT(norm.Describe(NormPass::kForward), testing::HasSubstr("fused rows"));
  EXPECT_THAT(norm.Describe(NormPass::kBackward),
              EndsWith("; not fused: short runs are taken with their neighbours"));
}

TEST_F(Describe, SaysWhatTheStatisticsAreOf) {
  struct Row {
    NormSpec spec;
    const char* format;
    std::vector<int64_t> shape;
    const char* expected;
    int64_t groups = 0;
  };
  const Row rows[] = {
      {kLayerNorm, "BTC", {4, 3, 512}, "4 statistics over T,C of 1536 values each"},
      {kLayerNormChannelOnly, "BTC", {4, 3, 512}, "12 statistics over C of 512 values each"},
      {kLayerNorm, "TC", {3, 5}, "1 statistic over T,C of 15 values"},
      {kInstanceNorm, "BSSC", {2, 4, 5, 3}, "6 statistics over S of 20 values each"},
      {kInstanceNorm, "BC", {2, 3}, "6 statistics over nothing of 1 value each"},
      {kGroupNorm, "BCSS", {2, 6, 4, 5}, "6 statistics over C/3,S of 40 values each", 3},
      {kGroupNorm, "BC", {2, 6}, "2 statistics over C of 6 values each", kAllChannels},
      {kRmsNorm, "BC", {2, 6}, "2 statistics over C of 6 values each"},
  };
  for (const Row& row : rows) {
    const Layout layout = Layout::Make(row.format, row.shape);
    const Normalization norm(row.spec, layout, DType::kF32, {.num_groups = row.groups});
    EXPECT_EQ(norm.DescribeStatistics(),
              fmt::format("{} normalization of f32 {}: {}", row.spec.name, layout.ToString(),
                          row.expected));
    EXPECT_THAT(norm.Describe(), HasSubstr(fmt::format(": {}, plan ", row.expected)));
  }
  const Layout blocked({{kB, 2}, {kG, 3}, {kS, 5}, {kC, 4}});
  EXPECT_THAT(Normalization(kLayerNorm, blocked).DescribeStatistics(),
              EndsWith(": 2 statistics over C,S of 60 values each"));
}

TEST_F(Describe, EveryPathHasItsName) {
  const auto forward = NormPass::kForward, backward = NormPass::kBackward;
  EXPECT_THAT(KernelOf(kLayerNorm, "BC", {64, 96}, forward), HasSubstr("fused rows"));
  EXPECT_THAT(KernelOf(kLayerNorm, "BC", {64, 96}, backward), HasSubstr("fused rows"));
  EXPECT_THAT(KernelOf(kInstanceNorm, "BSC", {4, 30, 20}, forward), HasSubstr("fused columns"));
  EXPECT_THAT(KernelOf(kInstanceNorm, "BSC", {4, 30, 20}, backward), HasSubstr("fused columns"));
  EXPECT_THAT(KernelOf(kRmsNorm, "BCS", {4, 20, 30}, backward), HasSubstr("fused columns"));
  EXPECT_THAT(KernelOf(kBatchNorm, "BC", {30, 20}, forward), HasSubstr("fused strips"));
  EXPECT_THAT(KernelOf(kBatchNorm, "BC", {30, 20}, backward), HasSubstr("fused strips"));
  const auto group = Layout::Make("BC", std::vector<int64_t>{40, 24}).SplitChannels(2);
  EXPECT_THAT(KernelOf(Normalization(kGroupNorm, group), backward), HasSubstr("fused runs"));
  const int64_t batch = simd::FusedLimit(2) / 64;  // four times the limit
  const std::string large = KernelOf(kBatchNorm, "BSC", {batch, 8, 8}, forward);
  EXPECT_THAT(large, testing::StartsWith("two passes, streaming stores, 2 threads; not fused: "));
  EXPECT_THAT(large, EndsWith("a unit is larger than a thread's share of the caches"));
  EXPECT_EQ(KernelOf(kBatchNorm, "BSC", {batch, 8, 8}, NormPass::kInference),
            "one pass, streaming stores, 2 threads");
}

TEST_F(Describe, SaysWhyNotFused) {
  Alone alone;
  for (const NormPass pass : {NormPass::kForward, NormPass::kBackward})
    for (const char* format : {"BC", "BSC"})
      for (const NormSpec& spec : {kBatchNorm, kLayerNorm}) {
        const std::vector<int64_t> shape = {4, 6, 8};
        const Layout layout = Layout::Make(format, std::span(shape).first(strlen(format)));
        EXPECT_THAT(
            KernelOf(Normalization(spec, layout, DType::kF32, {.reducer = &alone}), pass),
            HasSubstr("two passes, regular stores, 1 thread; not fused: statistics of other "
                      "ranks are waited for"));
        EXPECT_THAT(KernelOf(Normalization(spec, layout), pass), Not(HasSubstr("not fused")));
      }
  EXPECT_THAT(KernelOf(kInstanceNorm, "BCS", {1, 1, 300'000}, NormPass::kForward),
              HasSubstr("fewer units than threads"));
}

TEST_F(Describe, FollowsTheNumberOfThreads) {
  const Normalization norm(kInstanceNorm, Layout::Make("BCS", std::vector<int64_t>{8, 8, 8192}));
  SetNumThreads(3);
  EXPECT_THAT(norm.Describe(), EndsWith(", 3 threads"));
  EXPECT_THAT(KernelOf(kLayerNorm, "BC", {64, 512}, NormPass::kForward),
              EndsWith(", 1 thread (3 in quick succession)"));
  SetNumThreads(1);
  EXPECT_THAT(norm.Describe(), EndsWith(", 1 thread"));
}

TEST_F(Describe, WideRowsShareTheirParameters) {
  const int64_t channels = simd::Caches().l1 / 4;  // with parameters three times the cache
  EXPECT_THAT(KernelOf(kLayerNorm, "BC", {16, channels}, NormPass::kForward),
              HasSubstr("tiles of 4 runs"));
}

}  // namespace
}  // namespace normkit
