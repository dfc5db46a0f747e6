#include "normkit/data/image.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/image_codec.h"
#include "src/data/image_samples.h"

namespace normkit {
namespace {

using Pixels = std::vector<uint8_t>;

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (int value : values) bytes += static_cast<char>(value);
  return bytes;
}

Pixels DecodedPixels(const std::string& bytes, int channels = 0) {
  return DecodeImage(bytes, channels, "x").pixels;
}

// A smooth picture that JPEG keeps almost as it is.
Image Gradient(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c)
        image.pixels.push_back(static_cast<uint8_t>(40 + 5 * y + 3 * x + 20 * c));
  return image;
}

void ExpectNear(const Pixels& a, const Pixels& b, int tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
}

TEST(ImageTest, PngRoundTripIsExact) {
  const TestFolder folder;
  for (int64_t channels : {1, 3}) {
    const Image image = Gradient(17, 23, channels);
    WriteImage(folder / "x.PNG", image);
    const Image back = ReadImage(folder / "x.PNG");
    EXPECT_EQ(back.height, 17);
    EXPECT_EQ(back.width, 23);
    EXPECT_EQ(back.channels, channels);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(ImageTest, JpegRoundTripIsClose) {
  const TestFolder folder;
  for (int64_t channels : {1, 3})
    for (const char* name : {"x.jpg", "x.jpeg", "x.JPG"}) {
      const Image image = Gradient(17, 23, channels);
      WriteImage(folder / name, image);
      const Image back = ReadImage(folder / name);
      EXPECT_EQ(back.channels, channels);
      ExpectNear(back.pixels, image.pixels, 4);
    }
}

TEST(ImageTest, ChannelsAreConverted) {
  const Image colour{1, 2, 3, {255, 0, 0, 10, 20, 30}};
  const std::string png = EncodePng(colour, "x");
  EXPECT_EQ(DecodedPixels(png, 3), colour.pixels);
  EXPECT_EQ(DecodedPixels(png, 1), (Pixels{76, 18}));
  const std::string grey = EncodePng({1, 2, 1, {7, 200}}, "x");
  EXPECT_EQ(DecodedPixels(grey, 3), (Pixels{7, 7, 7, 200, 200, 200}));
  EXPECT_ERROR(DecodeImage(png, 2, "x.png"),
               "x.png: 2 channels are asked for, expected 1, 3 or 0 (the file's own)");
}

TEST(ImageTest, ReadsEveryKindOfPng) {
  const auto pixels = [](const PngParts& parts) { return DecodedPixels(MakePng(parts)); };
  EXPECT_EQ(pixels({3, 1, 1, 0, {Bytes({0xa0})}}), (Pixels{255, 0, 255}));
  EXPECT_EQ(pixels({3, 1, 2, 0, {Bytes({0x1b})}}), (Pixels{0, 85, 170}));
  EXPECT_EQ(pixels({2, 1, 4, 0, {Bytes({0x1f})}}), (Pixels{17, 255}));
  EXPECT_EQ(pixels({2, 1, 16, 0, {Bytes({0x80, 0x7f, 0x12, 0xff})}}), (Pixels{128, 19}));
  EXPECT_EQ(pixels({1, 1, 16, 2, {Bytes({1, 1, 2, 2, 255, 255})}}), (Pixels{1, 2, 255}));
  const std::string palette = PngChunk("PLTE", Bytes({9, 8, 7, 50, 60, 70}));
  EXPECT_EQ(pixels({2, 1, 8, 3, {Bytes({1, 0})}, palette}), (Pixels{50, 60, 70, 9, 8, 7}));
  EXPECT_EQ(pixels({2, 1, 1, 3, {Bytes({0x40})}, palette}), (Pixels{9, 8, 7, 50, 60, 70}));
}

TEST(ImageTest, TransparentPixelsAreSeenOnWhite) {
  const auto pixels = [](const PngParts& parts) { return DecodedPixels(MakePng(parts)); };
  EXPECT_EQ(pixels({3, 1, 8, 4, {Bytes({100, 255, 100, 0, 0, 51})}}), (Pixels{100, 255, 204}));
  EXPECT_EQ(pixels({1, 1, 8, 6, {Bytes({0, 100, 200, 128})}}), (Pixels{127, 177, 227}));
  const std::string palette =
      PngChunk("PLTE", Bytes({9, 8, 7, 50, 60, 70})) + PngChunk("tRNS", Bytes({0}));
  EXPECT_EQ(pixels({2, 1, 8, 3, {Bytes({1, 0})}, palette}), (Pixels{50, 60, 70, 255, 255, 255}));
  EXPECT_EQ(pixels({2, 1, 8, 0, {Bytes({5, 6})}, PngChunk("tRNS", Bytes({0, 5}))}),
            (Pixels{255, 6}));
}

// 3 x 3 in Adam7's order: passes 1 (one pixel), 5, 6 and 7 are not empty (and 4: column 2 of row
// 0).
TEST(ImageTest, ReadsInterlacedPng) {
  PngParts parts{3, 3, 8, 0, {}};
  parts.interlaced = true;
  parts.rows = {Bytes({1}), Bytes({3}), Bytes({7, 9}), Bytes({2}), Bytes({8}), Bytes({4, 5, 6})};
  EXPECT_EQ(DecodedPixels(MakePng(parts)), (Pixels{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(ImageTest, ReadsProgressiveAndCmykJpeg) {
  const Image image = Gradient(16, 16, 3);
  ExpectNear(DecodedPixels(MakeJpeg({16, 16, 3, image.pixels, true})), image.pixels, 6);
  // Inks of 100 and 50 of 255, black 30: as they are and as Adobe inverts them.
  Pixels inks, expected;
  for (int i = 0; i < 64; ++i) {
    for (int ink : {100, 50, 0, 30}) inks.push_back(static_cast<uint8_t>(ink));
    for (int light : {137, 181, 225}) expected.push_back(static_cast<uint8_t>(light));
  }
  ExpectNear(DecodedPixels(MakeJpeg({8, 8, 4, inks})), expected, 2);
  for (uint8_t& ink : inks) ink = static_cast<uint8_t>(255 - ink);
  ExpectNear(DecodedPixels(MakeJpeg({8, 8, 4, inks, false, true})), expected, 2);
}

// The eight ways to store the picture 1 2 3 / 4 5 6.
TEST(ImageTest, OrientationIsApplied) {
  struct Stored {
    int64_t height, width;
    Pixels pixels;
  };
  const Stored cases[] = {{2, 3, {1, 2, 3, 4, 5, 6}}, {2, 3, {3, 2, 1, 6, 5, 4}},
                          {2, 3, {6, 5, 4, 3, 2, 1}}, {2, 3, {4, 5, 6, 1, 2, 3}},
                          {3, 2, {1, 4, 2, 5, 3, 6}}, {3, 2, {3, 6, 2, 5, 1, 4}},
                          {3, 2, {6, 3, 5, 2, 4, 1}}, {3, 2, {4, 1, 5, 2, 6, 3}}};
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (bool little : {false, true}) {
      const Stored& stored = cases[orientation - 1];
      PngParts parts{
          static_cast<uint32_t>(stored.width), static_cast<uint32_t>(stored.height), 8, 0, {}};
      for (int64_t y = 0; y < stored.height; ++y)
        parts.rows.emplace_back(stored.pixels.begin() + y * stored.width,
                                stored.pixels.begin() + (y + 1) * stored.width);
      parts.chunks = PngChunk("eXIf", MakeExif(orientation, little));
      const Image image = DecodeImage(MakePng(parts), 0, "x");
      EXPECT_EQ(image.height, 2) << orientation;
      EXPECT_EQ(image.pixels, (Pixels{1, 2, 3, 4, 5, 6})) << orientation;
    }
}

TEST(ImageTest, OrientationOfJpegIsApplied) {
  const Image image = Gradient(8, 24, 3);
  const std::string jpeg = WithExif(EncodeJpeg(image, "x"), MakeExif(6, true));
  const Image turned = DecodeImage(jpeg, 0, "x");
  EXPECT_EQ(turned.height, 24);
  EXPECT_EQ(turned.width, 8);
  EXPECT_NEAR(turned.pixels[0], image.pixels[7 * 24 * 3], 4);  // the lower left corner is now first
}

TEST(ImageTest, StrangeExifIsNoOrientation) {
  EXPECT_EQ(ExifOrientation(""), 1);
  EXPECT_EQ(ExifOrientation("II"), 1);
  EXPECT_EQ(ExifOrientation(MakeExif(9, true)), 1);
  EXPECT_EQ(ExifOrientation(MakeExif(0, true)), 1);
  const std::string good = MakeExif(6, true);
  for (size_t size = 0; size < 34; ++size) EXPECT_LE(ExifOrientation(good.substr(0, size)), 6);
  std::string far = good;
  far.replace(4, 4, Bytes({255, 255, 255, 255}));
  EXPECT_EQ(ExifOrientation(far), 1);
}

TEST(ImageTest, OtherFilesAreRefused) {
  const TestFolder folder;
  const auto refuse = [&](const std::string& bytes, const std::string& says) {
    const std::string line =
        fmt::format("a.png: {}, expected a picture ({})", says, PictureKinds());
    EXPECT_ERROR(DecodeImage(bytes, 0, "a.png"), line);
    EXPECT_ERROR(InfoOf(bytes, "a.png"), line);
  };
  refuse("", "is empty");
  refuse("BM....", "is a BMP picture");
  refuse("....ftypheic", "is a HEIC picture");
  refuse("<html>", "is an HTML page");
  refuse("\x1f\x8b", "is compressed with gzip");
  refuse("\1\2\3", "is of a kind that is not known here");
  EXPECT_ERROR(ReadImage(folder / "none.png"),
               (folder / "none.png") + ": cannot be read: No such file or directory");
  EXPECT_ERROR(ReadImage(folder.path()), folder.path() + ": is a folder, expected a file");
}

TEST(ImageTest, DamageIsNamed) {
  const std::string png = EncodePng(Gradient(30, 30, 3), "x");
  EXPECT_ERROR(DecodeImage(png.substr(0, png.size() / 2), 0, "a.png"),
               "a.png: damaged PNG: the file ends too early");
  std::string flipped = png;
  flipped[flipped.size() - 14] ^= 1;
  EXPECT_ERROR(DecodeImage(flipped, 0, "a.png"), "a.png: damaged PNG: IDAT: CRC error");
  const std::string jpeg = EncodeJpeg(Gradient(30, 30, 3), "x");
  EXPECT_ERROR(DecodeImage(jpeg.substr(0, jpeg.size() - 50), 0, "a.jpg"),
               "a.jpg: damaged JPEG: Premature end of JPEG file");
  EXPECT_ERROR(DecodeImage(jpeg.substr(0, 100), 0, "a.jpg"),
               "a.jpg: damaged JPEG: Premature end of JPEG file");
}

TEST(ImageTest, ImpossibleSizesTakeNoMemory) {
  PngParts parts{16384, 16384, 8, 2, {"abc"}};
  const std::string png = MakePng(parts);
  EXPECT_ERROR(DecodeImage(png, 0, "a.png"),
               "a.png: damaged PNG: 16384 x 16384 pixels do not fit " + std::to_string(png.size()) +
                   " bytes");
  parts.height = 16385;
  EXPECT_ERROR(DecodeImage(MakePng(parts), 0, "a.png"),
               "a.png: has 16384 x 16385 pixels, expected at most 268435456 in all");
  parts = {1, 1, 8, 0, {"a"}, BigEndian32(0x7fffffff) + "eXIfMM"};  // libpng allocates 2 GiB here
  EXPECT_ERROR(DecodeImage(MakePng(parts), 0, "a.png"),
               "a.png: damaged PNG: the file ends too early");
  std::string jpeg = EncodeJpeg(Gradient(8, 8, 1), "x");
  const size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, Bytes({0x40, 0, 0x40, 0}));
  EXPECT_ERROR(DecodeImage(jpeg, 0, "a.jpg"),
               "a.jpg: damaged JPEG: 16384 x 16384 pixels do not fit " +
                   std::to_string(jpeg.size()) + " bytes");
}

TEST(ImageTest, EndlessScansAreRefused) {
  const std::string jpeg = MakeJpeg({16, 16, 1, Pixels(256, 100), true});
  const size_t last = jpeg.rfind("\xff\xda"), end = jpeg.rfind("\xff\xd9");
  std::string many = jpeg.substr(0, end);
  for (int i = 0; i < 100; ++i) many += jpeg.substr(last, end - last);
  EXPECT_THROW(DecodeImage(many + jpeg.substr(end), 0, "a.jpg"), Error);
}

TEST(ImageTest, WritingErrors) {
  const Image image = Gradient(2, 2, 3);
  EXPECT_ERROR(WriteImage("x.bmp", image),
               "x.bmp: the ending is '.bmp', expected .png, .jpg or "
               ".jpeg");
  EXPECT_ERROR(WriteImage("no/such/x.png", image),
               "no/such/x.png: cannot be written: there is no folder 'no/such'");
  EXPECT_ERROR(WriteImage("x.png", {2, 2, 3, Pixels(5)}),
               "x.png: a picture of 2 x 2 pixels, 3 channels, 5 bytes is given, expected 1 or 3 "
               "channels and as many bytes, at most 268435456 pixels");
  EXPECT_ERROR(WriteImage("x.jpg", {1, 70'000, 1, Pixels(70'000)}),
               "x.jpg: cannot be written: Maximum supported image dimension is 65500 pixels");
}

TEST(ResizeTest, ShrinkingAverages) {
  const Image image{2, 4, 1, {10, 20, 30, 41, 50, 60, 70, 80}};
  EXPECT_EQ(Resize(image, 1, 2).pixels, (Pixels{35, 55}));
  EXPECT_EQ(Resize(image, 2, 4).pixels, image.pixels);
  // 3 to 2: the middle input counts half in each.
  EXPECT_EQ(Resize({1, 3, 1, {0, 90, 240}}, 1, 2).pixels, (Pixels{30, 190}));
}

TEST(ResizeTest, GrowingInterpolates) {
  EXPECT_EQ(Resize({1, 2, 1, {0, 100}}, 1, 4).pixels, (Pixels{0, 25, 75, 100}));
  EXPECT_EQ(Resize({1, 1, 3, {1, 2, 3}}, 2, 2).pixels,
            (Pixels{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}));
}

TEST(ResizeTest, ConstantsStayConstant) {
  for (int64_t from : {1, 2, 3, 7, 28, 31, 100})
    for (int64_t to : {1, 2, 3, 5, 28, 30, 99, 101}) {
      const Image image{from, from + 1, 3, Pixels(static_cast<size_t>(from * (from + 1) * 3), 255)};
      for (uint8_t pixel : Resize(image, to, to + 2).pixels) ASSERT_EQ(pixel, 255);
    }
}

// Against the definition, in double: the integral over the part of the input that an output covers.
TEST(ResizeTest, MatchesTheDefinition) {
  for (auto [from, to] : {std::pair{50, 7}, {28, 32}, {13, 12}, {9, 40}, {2, 3}}) {
    Image image{1, from, 1, {}};
    for (int i = 0; i < from; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 97 % 256));
    const Pixels got = Resize(image, 1, to).pixels;
    const double scale = static_cast<double>(from) / to, width = std::max(1.0, scale);
    constexpr int kParts = 20'000;
    for (int i = 0; i < to; ++i) {
      double sum = 0;
      for (int k = 0; k < kParts; ++k) {
        const double at = (i + 0.5) * scale + width * ((k + 0.5) / kParts - 0.5);
        sum += image.pixels[static_cast<size_t>(
            std::clamp(static_cast<int>(std::floor(at)), 0, from - 1))];
      }
      EXPECT_NEAR(got[static_cast<size_t>(i)], sum / kParts, 0.55) << from << " " << to << " " << i;
    }
  }
}

TEST(ResizeTest, SizesAreChecked) {
  EXPECT_ERROR(Resize(Gradient(2, 2, 1), 0, 5),
               "resizing: 5 x 0 pixels are asked for, expected at least 1 x 1 and at most "
               "268435456 in all");
  EXPECT_ERROR(Resize({0, 0, 1, {}}, 1, 1),
               "resizing: a picture of 0 x 0 pixels, 1 channels, 0 bytes is given, expected 1 or 3 "
               "channels and as many bytes, at most 268435456 pixels");
}

}  // namespace
}  // namespace normkit
