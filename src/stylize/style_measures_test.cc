// Measures of pictures by hand-made ones.
#include "src/stylize/style_measures.h"

#include <gtest/gtest.h>

#include <functional>

#include "normkit/core/random.h"

namespace normkit {
namespace {

Image Painted(int64_t side, const std::function<int64_t(int64_t, int64_t)>& value) {
  Image image{side, side, 3, {}};
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x)
      image.pixels.insert(image.pixels.end(), 3, static_cast<uint8_t>(value(y, x)));
  return image;
}

TEST(StyleMeasuresTest, GridsAreFound) {
  Random random(1);
  const Image board = Painted(32, [](int64_t y, int64_t x) { return (y + x) % 2 * 200; }),
              noise = Painted(32, [&](int64_t, int64_t) { return random.Below(256); }),
              half = Painted(
                  32, [&](int64_t y, int64_t x) { return (y + x) % 2 * 100 + random.Below(100); });
  EXPECT_NEAR(GridShare({board}, 4), 1, 1e-12);
  EXPECT_NEAR(GridShare({board}, 3), 0, 0.02);
  EXPECT_LT(GridShare({noise}, 4), 0.05);
  // 100 / 2 apart: a variance of 2500 beside 833 of the noise.
  EXPECT_NEAR(GridShare({half}, 2), 2500.0 / (2500 + 833), 0.05);
  EXPECT_EQ(GridShare({Painted(8, [](int64_t, int64_t) { return 7; })}, 4), 0);
}

TEST(StyleMeasuresTest, ContrastIsAboutTheMiddle) {
  const Image image{1, 2, 3, {0, 100, 127, 128, 155, 255}};
  EXPECT_EQ(WithContrast(image, 0.5).pixels, (std::vector<uint8_t>{64, 114, 127, 128, 141, 191}));
  EXPECT_EQ(WithContrast(image, 2).pixels, (std::vector<uint8_t>{0, 73, 127, 129, 183, 255}));
  EXPECT_EQ(WithContrast(image, 1).pixels, image.pixels);
}

}  // namespace
}  // namespace normkit
