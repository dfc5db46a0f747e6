// Thousands of damaged files of every kind: each is read or refused with an Error, in little
// memory.
#include <gtest/gtest.h>

#include <functional>

#include "normkit/core/error.h"
#include "normkit/core/random.h"
#include "src/core/mutations.h"
#include "src/data/array_samples.h"
#include "src/data/csv.h"
#include "src/data/idx.h"
#include "src/data/image_codec.h"
#include "src/data/image_samples.h"
#include "src/data/picture_samples.h"
#include "src/data/profile_samples.h"
#include "src/data/ts.h"

namespace normkit {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kMaxGrowth = int64_t{1} << 30;  // its quarantine alone takes 256 MiB
constexpr int kMutations = 1000;
#else
constexpr int64_t kMaxGrowth = int64_t{1} << 28;
constexpr int kMutations = 5000;
#endif

// libpng compares check sums before it looks at anything: make them right again.
void RepairPng(std::string& bytes) {
  for (size_t at = 8; at + 12 <= bytes.size();) {
    size_t size = 0;
    for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(bytes[at + i]);
    if (size > bytes.size() - at - 12) return;
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data() + at + 4), size + 4);
    bytes.replace(at + 8 + size, 4, BigEndian32(crc));
    at += 12 + size;
  }
}

using Reader = std::function<void(const std::string&)>;

void CheckMutations(const std::vector<std::string>& samples, const Reader& read,
                    const std::function<void(std::string&)>& repair = {}, int count = kMutations) {
  const int64_t before = PeakMemory();
  int refused = 0, total = 0;
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    ASSERT_NO_THROW(read(samples[sample])) << sample;
    for (int i = 0; i < count; ++i) {
      Random random(sample, static_cast<uint64_t>(i));
      std::string bytes = samples[sample];
      for (int64_t changes = 1 + random.Below(3); changes > 0; --changes)
        MutateOnce(random, bytes, PositionIn(random, bytes));
      if (repair) repair(bytes);
      ++total;
      try {
        read(bytes);
      } catch (const Error& error) {
        ++refused;
        ASSERT_EQ(std::string_view(error.what()).substr(0, 5), "file:") << error.what();
      }
    }
  }
  EXPECT_GT(refused, total / 20);
  EXPECT_LT(PeakMemory() - before, kMaxGrowth);
}

TEST(MutationTest, Npy) {
  CheckMutations({NpyFile(NpyHeader("<f4", "(2, 3)"), std::string(24, 'x')),
                  NpyFile(NpyHeader(">i8", "(2, 1, 2)", true) + "    \n", std::string(32, 'x'), 2),
                  NpyFile(NpyHeader("<U2", "()"), std::string(8, 'x'), 3)},
                 [](const std::string& bytes) { ParseNpy(bytes, "file"); });
}

TEST(MutationTest, Npz) {
  ZipParts deflated, zip64, stored;
  zip64.zip64 = true;
  stored.method = 0;
  stored.compressed = stored.content;
  CheckMutations({deflated.ToString(), zip64.ToString(), stored.ToString()},
                 [](const std::string& bytes) { ParseNpz(bytes, "file"); });
}

TEST(MutationTest, Idx) {
  const std::string plain = Idx({3, 4, 5}, std::string(60, 'x'));
  CheckMutations({plain, Gzip(plain), Gzip(Idx({300, 40, 5}, std::string(60'000, 'x')))},
                 [](const std::string& bytes) { ParseIdx(bytes, 3, "file"); });
}

TEST(MutationTest, Ts) {
  const std::string head =
      "# a remark\n@problemName a\n@timeStamps false\n@missing false\n@dimensions 2\n";
  CheckMutations({head + "@classLabel true a b\n@data\n1,2.5:-3,4:a\n5:6e1:b\n",
                  "@univariate true\n@equalLength true\n@seriesLength 3\n@targetLabel true\n@data\n"
                  "1,2,3:0.5\n4,5,6:7\n"},
                 [](const std::string& bytes) { ParseTs(bytes, "file"); });
}

TEST(MutationTest, Csv) {
  CheckMutations({"a,b,class\n1,2,cat\n3,4,dog\n5,-6.5e3,cat\n",
                  "# a remark\n;\"a; \"\"b\"\"\";y\n0;1;2\n1;3;4\n"},
                 [](const std::string& bytes) { ParseCsv(bytes, "file", true); });
}

std::vector<std::string> Pngs() {
  const std::string palette = PngChunk("PLTE", "abcdefghijkl") + PngChunk("tRNS", "ab");
  const std::string exif = PngChunk("eXIf", MakeExif(6, true));
  const std::vector<std::string> bytes8(8, std::string(8, '\7'));
  PngParts interlaced{3, 3, 8, 0, {"a", "c", "gi", "b", "h", "def"}};
  interlaced.interlaced = true;
  return {MakePng({8, 8, 8, 0, bytes8, exif}),
          MakePng({4, 8, 16, 0, bytes8}),
          MakePng({64, 8, 1, 0, bytes8}),
          MakePng({8, 8, 8, 3, std::vector<std::string>(8, std::string(8, '\1')), palette}),
          MakePng({4, 8, 8, 4, bytes8}),
          MakePng({2, 8, 8, 6, bytes8}),
          MakePng(interlaced)};
}

void Decode(const std::string& bytes) {
  for (int channels : {0, 1}) {
    const Image image = DecodeImage(bytes, channels, "file");
    CheckImage(image, "file");
    // What the header says is what comes.
    const ImageInfo info = InfoOf(bytes, "file");
    EXPECT_EQ(info.height, image.height);
    EXPECT_EQ(info.width, image.width);
    EXPECT_EQ(channels == 0 ? info.channels : 1, image.channels);
  }
}

TEST(MutationTest, Png) { CheckMutations(Pngs(), Decode); }

TEST(MutationTest, PngWithGoodCheckSums) { CheckMutations(Pngs(), Decode, RepairPng); }

TEST(MutationTest, Jpeg) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 16 * 16 * 4; ++i) pixels.push_back(static_cast<uint8_t>(i * i));
  CheckMutations({MakeJpeg({16, 16, 3, pixels}), MakeJpeg({16, 16, 1, pixels}),
                  MakeJpeg({16, 16, 3, pixels, true}), MakeJpeg({16, 16, 4, pixels, false, true}),
                  WithExif(MakeJpeg({16, 8, 1, pixels}), MakeExif(5, false))},
                 Decode);
}

Image Counting(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * i));
  return image;
}

TEST(MutationTest, Webp) {
  const Image rgb = Counting(9, 12, 3), rgba = Counting(5, 5, 4);
  CheckMutations({MakeWebp(rgb), MakeWebp(rgba), ExtendedWebp(rgb, MakeExif(6, true)),
                  AnimatedWebp({rgb, rgb})},
                 Decode);
}

TEST(MutationTest, Gif) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 15 * 9; ++i) pixels.push_back(static_cast<uint8_t>(i * i % 4));
  GifParts interlaced{15, 9, pixels, 1, 2, 20, 20, true, 2};
  CheckMutations({MakeGif({15, 9, pixels}), MakeGif(interlaced)}, Decode);
}

TEST(MutationTest, Tiff) {
  TiffParts turned{4, 6, 3, std::string(72, 'x'), 6};
  CheckMutations(
      {MakeTiff({8, 8, 1, std::string(64, 'x')}), MakeTiff(turned),
       MakeTiff({2, 2, 4, std::string(16, 'x')}), MakeTiff({4, 2, 1, std::string(16, 'x'), 1, 16})},
      Decode);
}

// Fewer, for each conversion takes milliseconds; colour_profile_test.cc damages profiles
// themselves.
TEST(MutationTest, Profiles) {
  const std::string profile = RgbProfile(1.8);
  const std::vector<std::string> rows(8, std::string(8, '\7'));
  const Image rgb = Counting(16, 16, 3);
  TiffParts tiff{4, 6, 3, std::string(72, 'x')};
  tiff.profile = profile;
  CheckMutations({WithProfile(MakeJpeg({16, 16, 3, rgb.pixels}), profile, 100),
                  WithProfile(MakeJpeg({16, 12, 4, rgb.pixels, false, true}), profile),
                  ExtendedWebp(rgb, "", profile), MakeTiff(tiff)},
                 Decode, {}, kMutations / 10);
  CheckMutations({MakePng({2, 8, 8, 6, rows, PngProfile(profile)})}, Decode, RepairPng,
                 kMutations / 10);
}

}  // namespace
}  // namespace normkit
