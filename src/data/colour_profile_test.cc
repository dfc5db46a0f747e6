#include "src/data/colour_profile.h"

#include <gtest/gtest.h>

#include "normkit/core/random.h"
#include "src/core/log_capture.h"
#include "src/core/mutations.h"
#include "src/data/image_codec.h"
#include "src/data/profile_samples.h"

namespace normkit {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kMaxGrowth = int64_t{1} << 30;  // its quarantine alone takes 256 MiB
constexpr int kShare = 5;
#else
constexpr int64_t kMaxGrowth = int64_t{1} << 28;
constexpr int kShare = 1;
#endif

constexpr Samples kAll[] = {Samples::kGrey, Samples::kGreyAlpha, Samples::kRgb,
                            Samples::kRgba, Samples::kCmyk,      Samples::kInvertedCmyk};

std::vector<uint8_t> Converted(const std::string& profile, Samples samples,
                               std::vector<uint8_t> pixels) {
  const SrgbConverter converter(profile, samples, "file");
  converter.Convert(pixels);
  return pixels;
}

// sRGB's curve of v^power, of 255.
uint8_t Expected(int value, double power) {
  const double light = std::pow(value / 255.0, power);
  const double seen = light <= 0.0031308 ? 12.92 * light : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
  return static_cast<uint8_t>(std::lround(255 * seen));
}

TEST(ColourProfileTest, CurvesBecomeThatOfSrgb) {
  for (const double power : {1.0, 1.8, 2.5})
    for (int value = 0; value < 256; ++value) {
      const auto v = static_cast<uint8_t>(value);
      const int expected = Expected(value, power);
      EXPECT_NEAR(Converted(GreyProfile(power), Samples::kGrey, {v})[0], expected, 1);
      const auto grey = Converted(RgbProfile(power), Samples::kGreyAlpha, {v, 77});
      EXPECT_NEAR(grey[0], expected, 1);
      EXPECT_EQ(grey[1], 77);
      const auto rgb = Converted(RgbProfile(power), Samples::kRgba, {v, v, v, 77});
      for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(rgb[i], expected, 1) << value;
      EXPECT_EQ(rgb[3], 77);
    }
}

TEST(ColourProfileTest, InksBecomeColours) {
  const auto rgb = Converted(CmykProfile(), Samples::kCmyk, {0, 0, 0, 0, 255, 255, 255, 255});
  ASSERT_EQ(rgb.size(), 6);
  for (size_t i = 0; i < 3; ++i) EXPECT_GE(rgb[i], 253);
  EXPECT_LT(rgb[3], 20);
  EXPECT_EQ(Converted(CmykProfile(), Samples::kInvertedCmyk, {255, 255, 255, 255, 0, 0, 0, 0}),
            rgb);
}

TEST(ColourProfileTest, NoProfileConvertsNothing) {
  for (const Samples samples : kAll) {
    LogCapture log;
    EXPECT_FALSE(SrgbConverter("", samples, "nothing").converts());
    EXPECT_TRUE(log.lines().empty());
  }
}

TEST(ColourProfileTest, IgnoredProfilesAreNamedOncePerFile) {
  LogCapture log;
  for (int i = 0; i < 3; ++i) SrgbConverter("abc", Samples::kRgb, "one.jpg");
  SrgbConverter(RgbProfile(1), Samples::kCmyk, "two.jpg");
  ASSERT_EQ(log.lines().size(), 2);
  EXPECT_NE(log.lines()[0].find("one.jpg: its colour profile is ignored: it is damaged ("),
            std::string::npos);
  EXPECT_NE(log.lines()[1].find("two.jpg: its colour profile is ignored: it is of 'RGB', the "
                                "picture's pixels are CMYK"),
            std::string::npos);
}

// A few bytes a step, each of which claims a great table.
TEST(ColourProfileTest, GreatClaimsAreRefused) {
  const int64_t before = PeakMemory();
  for (const size_t count : {1, 20, 200'000})
    EXPECT_FALSE(SrgbConverter(PipelineProfile(count), Samples::kRgb, "steps").converts());
  EXPECT_LT(PeakMemory() - before, kMaxGrowth);
}

TEST(ColourProfileTest, DamagedProfilesDoNoHarm) {
  const LogCapture log;
  const int64_t before = PeakMemory();
  // Tables take longer than curves.
  const std::vector<std::pair<std::string, int>> profiles = {{RgbProfile(1.8), 1000},
                                                             {GreyProfile(1.8), 1000},
                                                             {CmykProfile(), 100},
                                                             {PipelineProfile(3), 50}};
  int converting = 0;
  for (size_t sample = 0; sample < profiles.size(); ++sample)
    for (int i = 0; i < profiles[sample].second / kShare; ++i) {
      Random random(sample, static_cast<uint64_t>(i));
      std::string bytes = profiles[sample].first;
      for (int64_t changes = 1 + random.Below(3); changes > 0; --changes)
        MutateOnce(random, bytes, PositionIn(random, bytes));
      const Samples samples = kAll[sample == 2 ? 4 + i % 2 : i % 4];
      std::vector<uint8_t> pixels(48, 99);
      const SrgbConverter converter(bytes, samples, "file");
      converter.Convert(pixels);
      converting += converter.converts();
    }
  EXPECT_GT(converting, 300 / kShare);
  EXPECT_LT(PeakMemory() - before, kMaxGrowth);
}

}  // namespace
}  // namespace normkit
