// WebP, GIF and TIFF.
#include <gtest/gtest.h>

#include "src/core/testing.h"
#include "src/data/image_codec.h"
#include "src/data/image_samples.h"
#include "src/data/picture_samples.h"

namespace normkit {
namespace {

Image Counting(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(37 * i));
  return image;
}

std::string Text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(WebpTest, IsReadAsItWasWritten) {
  const Image image = Counting(3, 5, 3);
  const Image read = DecodeImage(MakeWebp(image), 0, "a");
  EXPECT_EQ(read.height, 3);
  EXPECT_EQ(read.width, 5);
  EXPECT_EQ(read.channels, 3);
  EXPECT_EQ(read.pixels, image.pixels);
}

TEST(WebpTest, TransparencyIsSeenOnWhite) {
  const Image image{1, 3, 4, {10, 20, 30, 255, 200, 100, 0, 128, 9, 9, 9, 0}};
  EXPECT_EQ(DecodeImage(MakeWebp(image), 0, "a").pixels,
            (std::vector<uint8_t>{10, 20, 30, 227, 177, 127, 255, 255, 255}));
}

TEST(WebpTest, OrientationIsApplied) {
  const Image image = Counting(2, 3, 3);
  for (const std::string& exif :
       {MakeExif(6, true), std::string("Exif\0\0", 6) + MakeExif(6, false)}) {
    const std::string webp = ExtendedWebp(image, exif);
    const Image read = DecodeImage(webp, 0, "a");
    EXPECT_EQ(read.height, 3);
    EXPECT_EQ(read.width, 2);
    // The lower left corner is now first.
    EXPECT_EQ(read.pixels[0], image.pixels[9]);
    EXPECT_EQ(InfoOf(webp, "a").height, 3);
    EXPECT_ERROR_LIKE(InfoOf(webp.substr(0, webp.size() - 8), "a"), "a: damaged WebP: ");
  }
}

TEST(WebpTest, TheFirstOfSeveralIsRead) {
  const std::string webp = AnimatedWebp({Counting(4, 2, 3), Counting(4, 2, 3)});
  const Image read = DecodeImage(webp, 0, "a");
  EXPECT_EQ(read.height, 4);
  EXPECT_EQ(read.pixels, Counting(4, 2, 3).pixels);
}

TEST(GifTest, IsReadInColour) {
  const Image read = DecodeImage(MakeGif({2, 2, {0, 1, 2, 3}}), 0, "a");
  EXPECT_EQ(read.height, 2);
  EXPECT_EQ(read.channels, 3);
  EXPECT_EQ(read.pixels, (std::vector<uint8_t>{0, 0, 0, 255, 0, 0, 255, 255, 255, 128, 128, 128}));
}

TEST(GifTest, InterlacedRowsAreSorted) {
  std::vector<uint8_t> passes;
  for (const int y : {0, 4, 2, 6, 1, 3, 5}) passes.push_back(static_cast<uint8_t>(y % 4));
  GifParts parts{1, 7, passes};
  parts.interlaced = true;
  const Image read = DecodeImage(MakeGif(parts), 0, "a");
  const uint8_t greens[] = {0, 0, 255, 128};
  for (size_t y = 0; y < 7; ++y) EXPECT_EQ(read.pixels[3 * y + 1], greens[y % 4]) << y;
}

TEST(GifTest, AroundThePictureAndBehindItIsWhite) {
  GifParts parts{2, 1, {1, 0}};
  parts.left = parts.top = 1;
  parts.screen_width = parts.screen_height = 3;
  parts.transparent = 0;
  const Image read = DecodeImage(MakeGif(parts), 0, "a");
  EXPECT_EQ(read.width, 3);
  std::vector<uint8_t> expected(27, 255);
  expected[13] = expected[14] = 0;  // one red pixel, in the middle
  EXPECT_EQ(read.pixels, expected);
  parts.left = 2;  // one of the two lies outside
  EXPECT_EQ(DecodeImage(MakeGif(parts), 0, "a").pixels[16], 0);
}

TEST(TiffTest, IsReadAsItWasWritten) {
  for (const int samples : {1, 3}) {
    const Image image = Counting(2, 3, samples);
    const Image read = DecodeImage(MakeTiff({3, 2, samples, Text(image.pixels)}), 0, "a");
    EXPECT_EQ(read.height, 2);
    EXPECT_EQ(read.channels, samples);
    EXPECT_EQ(read.pixels, image.pixels);
  }
  const Image wide =
      DecodeImage(MakeTiff({2, 1, 1, std::string("\0\x80\xff\xff", 4), 1, 16}), 0, "a");
  EXPECT_EQ(wide.pixels, (std::vector<uint8_t>{128, 255}));
}

TEST(TiffTest, TransparencyIsSeenOnWhite) {
  const Image read = DecodeImage(MakeTiff({2, 1, 4, Text({10, 20, 30, 255, 9, 9, 9, 0})}), 0, "a");
  EXPECT_EQ(read.pixels, (std::vector<uint8_t>{10, 20, 30, 255, 255, 255}));
  EXPECT_EQ(DecodeImage(MakeTiff({3, 1, 2, Text({10, 255, 200, 128, 9, 0})}), 0, "a").pixels,
            (std::vector<uint8_t>{10, 227, 255}));
}

// All eight, against the JPEG whose EXIF data say the same.
TEST(TiffTest, OrientationIsApplied) {
  const Image image = Counting(2, 3, 1);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    TiffParts parts{3, 2, 1, Text(image.pixels)};
    parts.orientation = orientation;
    const Image read = DecodeImage(MakeTiff(parts), 0, "a");
    const std::string png =
        MakePng({3,
                 2,
                 8,
                 0,
                 {Text(image.pixels).substr(0, 3), Text(image.pixels).substr(3)},
                 PngChunk("eXIf", MakeExif(orientation, true))});
    const Image expected = DecodeImage(png, 0, "a");
    EXPECT_EQ(read.height, expected.height);
    EXPECT_EQ(read.pixels, expected.pixels) << orientation;
  }
}

// A few bytes that claim a great picture must not cost its memory.
TEST(PictureKindsTest, GreatClaimsAreRefused) {
  TiffParts tiff{16'000, 16'000, 3, "abc"};
  tiff.compression = 5;
  EXPECT_ERROR_LIKE(DecodeImage(MakeTiff(tiff), 0, "a"), "pixels do not fit");
  GifParts gif{1, 1, {1}};
  gif.screen_width = gif.screen_height = 16'000;
  EXPECT_ERROR_LIKE(DecodeImage(MakeGif(gif), 0, "a"), "pixels do not fit");
  gif.screen_width = gif.screen_height = 60'000;
  EXPECT_ERROR_LIKE(DecodeImage(MakeGif(gif), 0, "a"), "has 60000 x 60000 pixels");
  std::string webp = MakeWebp(Counting(1, 1, 3));
  const size_t size = webp.find("VP8L") + 9;  // 14 bits each of width - 1 and height - 1
  webp.replace(size, 4, "\xff\xff\xff\x0f");
  EXPECT_ERROR_LIKE(DecodeImage(webp, 0, "a"), "pixels do not fit");
}

}  // namespace
}  // namespace normkit
