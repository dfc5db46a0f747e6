// Pictures that are drawn: from the seed alone, at any size.
#include "src/stylize/synthetic_pictures.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "src/core/testing.h"

namespace normkit {
namespace {

double MeanDifference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

TEST(SyntheticPicturesTest, FollowFromTheSeed) {
  std::set<std::vector<uint8_t>> contents;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const Image image = SyntheticContent(seed, 40, 56);
    EXPECT_EQ(image.height, 40);
    EXPECT_EQ(image.width, 56);
    EXPECT_EQ(image.pixels.size(), 40u * 56 * 3);
    EXPECT_EQ(image.pixels, SyntheticContent(seed, 40, 56).pixels);
    contents.insert(image.pixels);
  }
  EXPECT_EQ(contents.size(), 8u);
  for (const std::string_view name : SyntheticStyles()) {
    const Image image = SyntheticStyle(name, 3, 48, 32);
    EXPECT_EQ(image.pixels.size(), 48u * 32 * 3) << name;
    EXPECT_EQ(image.pixels, SyntheticStyle(name, 3, 48, 32).pixels) << name;
    EXPECT_GT(MeanDifference(image, SyntheticStyle(name, 4, 48, 32)), 5) << name;
    EXPECT_GT(std::set(image.pixels.begin(), image.pixels.end()).size(), 20u) << name;
  }
}

// Lengths are parts of the smaller side, so that a larger picture shows the same.
TEST(SyntheticPicturesTest, AreTheSameSceneAtEverySize) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const Image small = SyntheticContent(seed, 64, 64),
                large = Resize(SyntheticContent(seed, 128, 128), 64, 64);
    EXPECT_LT(MeanDifference(small, large), 12);
    EXPECT_GT(MeanDifference(small, SyntheticContent(seed + 1, 64, 64)), 25);
  }
}

TEST(SyntheticPicturesTest, OtherStylesAreNamed) {
  EXPECT_ERROR(SyntheticStyle("stroke", 1, 8, 8),
               "style 'stroke' is none that is drawn here, expected strokes, mosaic, waves, "
               "hatching, did you mean 'strokes'?");
}

}  // namespace
}  // namespace normkit
