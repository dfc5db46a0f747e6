#include "src/report/progress.h"

#include <gtest/gtest.h>

#include "src/report/text.h"

namespace normkit {
namespace {

// A terminal of the test's own: its clock stands still until told.
class ProgressTest : public ::testing::Test {
 protected:
  ProgressOptions Options(bool terminal = true) {
    return {.terminal = terminal,
            .color = false,
            .width = [this] { return width_; },
            .seconds = [this] { return now_; },
            .write = [this](std::string_view text) { written_ += text; }};
  }
  std::string Take() {
    std::string taken;
    taken.swap(written_);  // with std::exchange GCC 12 believes that the text has 16 bytes
    return taken;
  }

  int width_ = 100;
  double now_ = 50;
  std::string written_;
};

TEST_F(ProgressTest, ShowsBarRateAndTimeLeft) {
  ProgressLine line(200, Options());
  now_ += 10;
  line.Update(50, "epoch 2", "loss 0.25");
  EXPECT_EQ(Take(), "\repoch 2 ━━━━━━────────────────── 50/200  5/s  0:30 left  loss 0.25\x1b[K");
}

TEST_F(ProgressTest, TheBarGivesWayToTheTimeLeft) {
  width_ = 80;
  ProgressLine line(3'400'000, Options());
  now_ += 100;
  line.Update(1'234'567, "9/12 group:10, batch 2, seed 1", "loss 0.25");
  EXPECT_EQ(Take(),
            "\r9/12 group:10, batch 2, seed 1 ━━━━──────── 1234567/3400000  12346/s  2:55 left"
            "\x1b[K");
}

TEST_F(ProgressTest, WithoutTotalThereIsNoBar) {
  ProgressLine line(0, Options());
  now_ += 2;
  line.Update(7);
  EXPECT_EQ(Take(), "\r7  3.5/s\x1b[K");
}

TEST_F(ProgressTest, DrawsTenTimesASecondAtMost) {
  ProgressLine line(1000, Options());
  for (int i = 1; i <= 1000; ++i, now_ += 0.001) line.Update(i);
  const std::string written = Take();
  EXPECT_EQ(std::count(written.begin(), written.end(), '\r'), 10);
}

TEST_F(ProgressTest, ClearTakesTheLineAwayOnce) {
  {
    ProgressLine line(10, Options());
    line.Update(1);
    Take();
    line.Clear();
    EXPECT_EQ(Take(), "\r\x1b[K");
    line.Clear();
    EXPECT_EQ(Take(), "");
    line.Update(2);  // at once, although no time has passed
    EXPECT_NE(Take(), "");
  }
  EXPECT_EQ(Take(), "\r\x1b[K");
}

TEST_F(ProgressTest, WritesNothingWithoutTerminal) {
  {
    ProgressLine line(10, Options(false));
    line.Update(5);
  }
  EXPECT_EQ(Take(), "");
}

TEST_F(ProgressTest, NeverFillsTheTerminalsWidth) {
  for (width_ = 1; width_ < 120; ++width_) {
    Take();  // what the line before left
    ProgressLine line(1000, Options());
    now_ += 1;
    line.Update(500, "epoch 12 of 20, größe", "loss 0.0421, accuracy 98.7 %, and yet more words");
    std::string text = Take();
    text = text.substr(1, text.size() - 4);
    EXPECT_LT(CountLetters(text), static_cast<size_t>(width_)) << text;
  }
}

TEST_F(ProgressTest, ColorOnlyWhereAsked) {
  ProgressOptions options = Options();
  options.color = true;
  ProgressLine line(2, options);
  line.Update(1);
  EXPECT_NE(Take().find("\x1b[36m"), std::string::npos);
}

TEST(ProgressStderrTest, NoColorIsHonoured) {
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(ProgressOptions::Stderr().color);
  unsetenv("NO_COLOR");
}

TEST(FormatDurationTest, SecondsMinutesHours) {
  EXPECT_EQ(FormatDuration(0.2), "0:00");
  EXPECT_EQ(FormatDuration(59.6), "1:00");
  EXPECT_EQ(FormatDuration(754), "12:34");
  EXPECT_EQ(FormatDuration(3723), "1:02:03");
  EXPECT_EQ(FormatDuration(-1), "?");
  EXPECT_EQ(FormatDuration(1e300 * 1e300), "?");
}

}  // namespace
}  // namespace normkit
