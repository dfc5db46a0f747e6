// NORMKIT_SCHEDULE: what it may say. That it changes no bit: contract_test.cc.
#include "src/norm/cpu/wanted_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "normkit/norm/normalization.h"
#include "src/core/testing.h"
#include "src/norm/cpu/schedule.h"
#include "src/simd/cache.h"

namespace normkit::norm::cpu {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;

TEST(WantedSchedule, IsParsed) {
  const WantedSchedule all = ParseWantedSchedule("stores=regular,path=fused,group=4,threads=one");
  EXPECT_EQ(all.stream, false);
  EXPECT_EQ(all.fused, true);
  EXPECT_EQ(all.group, 4);
  EXPECT_EQ(all.threads, false);
  const WantedSchedule some = ParseWantedSchedule("threads=all,stores=streaming");
  EXPECT_EQ(some.stream, true);
  EXPECT_EQ(some.fused, std::nullopt);
  EXPECT_EQ(some.group, std::nullopt);
  EXPECT_EQ(some.threads, true);
  EXPECT_EQ(ParseWantedSchedule("path=two-passes").fused, false);
  const WantedSchedule limits = ParseWantedSchedule(
      "stores-from=4096,fused-to=0,threads-from=65536,group-to=49152,ahead=768,rows-ahead="
      "12288");
  EXPECT_EQ(limits.group_to, 49152);
  EXPECT_EQ(limits.stores_from, 4096);
  EXPECT_EQ(limits.fused_to, 0);
  EXPECT_EQ(limits.threads_from, 65536);
  EXPECT_EQ(limits.ahead, 768);
  EXPECT_EQ(limits.rows_ahead, 12288);
}

TEST(WantedSchedule, RefusesTheRest) {
  EXPECT_ERROR(
      ParseWantedSchedule("store=regular"),
      "'store' is unknown, expected one of stores, path, group, threads, stores-from, fused-to, "
      "threads-from, group-to, ahead, rows-ahead, did you mean 'stores'?");
  EXPECT_ERROR_LIKE(ParseWantedSchedule(""), "'' is unknown, expected one of stores, path");
  EXPECT_ERROR_LIKE(ParseWantedSchedule("group=4,"), "'' is unknown, expected one of stores");
  for (const std::string key : {"ahead", "rows-ahead"})
    for (const std::string bytes : {"-1", "1k", "", "1099511627777"})
      EXPECT_ERROR(ParseWantedSchedule(key + "=" + bytes),
                   key + " is '" + bytes + "', expected a number of bytes from 0 to 1099511627776");
  EXPECT_ERROR(ParseWantedSchedule("path=two_passes"),
               "path is 'two_passes', expected fused or two-passes, did you mean 'two-passes'?");
  EXPECT_ERROR(ParseWantedSchedule("stores"), "stores is '', expected streaming or regular");
  EXPECT_ERROR(ParseWantedSchedule("threads=4"), "threads is '4', expected all or one");
  for (const char* group : {"0", "17", "-1", "4x", "", "99999999999999999999"})
    EXPECT_ERROR(ParseWantedSchedule("group=" + std::string(group)),
                 "group is '" + std::string(group) + "', expected a number from 1 to 16");
}

class Following : public testing::Test {
 protected:
  void SetUp() override { SetNumThreads(2); }
  void TearDown() override {
    WantSchedule({});
    SetNumThreads(0);
  }
};

TEST_F(Following, LimitsAreThoseThatAreWanted) {
  const Normalization small(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{64, 96}));
  EXPECT_THAT(small.Describe(), EndsWith("regular stores, 1 thread"));
  WantSchedule(ParseWantedSchedule("stores-from=8192,threads-from=40000"));  // 24,576 of y
  EXPECT_THAT(small.Describe(), EndsWith("streaming stores, 2 threads"));
  WantSchedule(ParseWantedSchedule("stores-from=16384,threads-from=50000,fused-to=383"));
  EXPECT_THAT(small.Describe(), HasSubstr("two passes, regular stores, 1 thread"));
  WantSchedule(ParseWantedSchedule("stores=streaming,group-to=5000"));  // rows of 384
  EXPECT_THAT(small.Describe(), HasSubstr("groups of 13 units, streaming stores"));
  WantSchedule(ParseWantedSchedule("fused-to=384"));
  EXPECT_THAT(small.Describe(), HasSubstr("fused rows"));
}

TEST_F(Following, ThreadsAreThoseOfTheCall) {
  const Normalization norm(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{8192, 96}));
  for (const int threads : {1, 2, 1}) {  // the schedule that is kept is that of the first
    SetNumThreads(threads);
    EXPECT_THAT(norm.Describe(), HasSubstr(threads == 1 ? ", 1 thread" : ", 2 threads"));
  }
}

TEST_F(Following, LargeRowsFromMemoryAreAskedForAsFarAheadAsIsWanted) {
  const auto ahead = [](int64_t width, int64_t element_bytes, NormPass pass = NormPass::kForward) {
    const Geometry rows(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{1024, width}));
    const Schedule schedule = ChooseSchedule(rows, element_bytes, 0, pass, false);
    return std::pair(static_cast<int>(schedule.ahead), static_cast<int>(schedule.read_ahead));
  };
  WantSchedule(ParseWantedSchedule("stores=streaming,rows-ahead=12288"));
  EXPECT_EQ(ahead(2048, 4), std::pair(3072, 3072));
  EXPECT_EQ(ahead(1025, 4), std::pair(3072, 3072));
  EXPECT_EQ(ahead(2048, 8), std::pair(1536, 1536));
  EXPECT_EQ(ahead(1024, 4).second, 0);
  EXPECT_EQ(ahead(4096, 2).second, 0);
  EXPECT_EQ(ahead(4098, 2), std::pair(6144, 6144));
  EXPECT_EQ(ahead(2048, 4, NormPass::kBackward).second, 0);
  WantSchedule(ParseWantedSchedule("stores=streaming,rows-ahead=0"));
  EXPECT_EQ(ahead(2048, 4), std::pair(2048 + 256, 0));  // the next row and 1 KiB
  EXPECT_EQ(ahead(simd::Caches().l1 / 4, 4), std::pair(0, 0));
  WantSchedule(ParseWantedSchedule("stores=regular,rows-ahead=12288"));
  EXPECT_EQ(ahead(2048, 4), std::pair(0, 0));
}

TEST_F(Following, PassesOverMemoryAskAheadWhereTheProcessorDoesNotFollow) {
  const auto bytes_ahead = [](const char* format, NormPass pass, int64_t element_bytes) {
    const Geometry batch(kBatchNorm, Layout::Make(format, std::vector<int64_t>{4, 64, 16, 32}));
    return ChooseSchedule(batch, element_bytes, 0, pass, true).ahead * element_bytes;
  };
  WantSchedule(ParseWantedSchedule("stores=streaming"));
  const bool follows = simd::HasLargeL1();
  for (const int64_t element_bytes : {2, 4, 8}) {
    EXPECT_EQ(bytes_ahead("BCSS", NormPass::kInference, element_bytes), follows ? 4096 : 1536);
    EXPECT_EQ(bytes_ahead("BCSS", NormPass::kForward, element_bytes), follows ? 0 : 1536);
    for (const NormPass pass : {NormPass::kInference, NormPass::kForward, NormPass::kBackward})
      EXPECT_EQ(bytes_ahead("BSSC", pass, element_bytes), !follows             ? 1536
                                                          : element_bytes == 2 ? 4096
                                                                               : 0);
  }
  WantSchedule(ParseWantedSchedule("stores=streaming,ahead=512"));
  EXPECT_EQ(bytes_ahead("BCSS", NormPass::kInference, 4), 512);
  WantSchedule(ParseWantedSchedule("stores=regular"));
  EXPECT_EQ(bytes_ahead("BCSS", NormPass::kInference, 4), 0);
}

TEST_F(Following, DescribeNamesWhatIsWanted) {
  const Normalization small(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{64, 96}));
  WantSchedule(ParseWantedSchedule("stores=streaming,path=fused,group=5,threads=all"));
  EXPECT_THAT(small.Describe(),
              EndsWith("fused rows, groups of 5 units, streaming stores, 2 threads"));
  WantSchedule(ParseWantedSchedule("path=two-passes,stores=regular"));
  EXPECT_THAT(small.Describe(),
              EndsWith("two passes, regular stores, 1 thread; not fused: NORMKIT_SCHEDULE"));
  // Its paths in element form have different bits.
  EXPECT_THAT(small.Describe(NormPass::kBackward), HasSubstr("fused rows"));
  const std::vector<int64_t> shape = {1, simd::FusedLimit(2) / 4, 2};
  const std::string slabs =
      R"(, by [0-9]+ slabs of \[1,[0-9]+,2\] where gamma or beta are not given)";
  const Normalization large(kInstanceNorm, Layout::Make("BCS", shape));
  WantSchedule(ParseWantedSchedule("threads=one"));
  EXPECT_THAT(large.Describe(), MatchesRegex(".*, streaming stores, 1 thread" + slabs));
  WantSchedule({});
  EXPECT_THAT(large.Describe(), MatchesRegex(".*, streaming stores, 2 threads" + slabs));
  const Normalization whole(kLayerNorm, Layout::Make("BCS", shape));
  EXPECT_THAT(whole.Describe(), HasSubstr("two passes"));
  WantSchedule(ParseWantedSchedule("path=fused"));
  EXPECT_THAT(whole.Describe(), HasSubstr("fused rows"));
}

}  // namespace
}  // namespace normkit::norm::cpu
