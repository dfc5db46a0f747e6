#include "src/core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/core/log_capture.h"

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

TEST(LogTest, ACaptureKeepsWhatIsLogged) {
  testing::internal::CaptureStderr();
  {
    const LogCapture outer;
    Warn("one");
    {
      const LogCapture inner;
      Warn("two");
      EXPECT_THAT(inner.lines(), testing::ElementsAre("normkit: two\n"));
    }
    Warn("three");
    EXPECT_THAT(outer.lines(), testing::ElementsAre("normkit: one\n", "normkit: three\n"));
  }
  Warn("four");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "normkit: four\n");
}

}  // namespace
}  // namespace normkit
