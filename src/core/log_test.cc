#include "src/core/log.h"

#include <gtest/gtest.h>

namespace normkit {
namespace {

TEST(LogTest, WarningsAreOneLineOnStderr) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Warn("layer '{}': {} values", "bn{1}", 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "normkit: layer 'bn{1}': 3 values\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(LogTest, DetailsOnlyWhereAskedFor) {
  testing::internal::CaptureStderr();
  LogDetail("kernel chosen");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            LogsDetails() ? "normkit: kernel chosen\n" : "");
}

}  // namespace
}  // namespace normkit
