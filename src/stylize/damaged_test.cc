// Damaged pictures and damaged networks on the way that stylizing takes: each is stylized, or ends
// in one line; in little memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/nn/layers.h"
#include "normkit/onnx/onnx.h"
#include "src/core/files.h"
#include "src/core/mutations.h"
#include "src/core/testing.h"
#include "src/data/image_codec.h"
#include "src/data/image_samples.h"
#include "src/data/picture_samples.h"
#include "src/onnx/testing.h"
#include "src/stylize/stylizer.h"

namespace normkit {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kMostGrowth = int64_t{1} << 31;
#else
constexpr int64_t kMostGrowth = int64_t{1} << 29;
#endif

// Pictures of 16 x 12 pixels in, pictures out.
Network StyleNetwork() {
  Graph graph;
  graph.Add(ImageInput(
      {.name = "photo", .input_size = {12, 16, 3}, .normalization = InputNormalization::kNone}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 4, .padding = Padding::Same()}));
  graph.Add(InstanceNormalization());
  graph.Add(Relu());
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 3, .padding = Padding::Same()}));
  return MakeNetwork(std::move(graph));
}

Image Gradient(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 7 % 251));
  return image;
}

// A picture of every kind that is read, as the bytes of files.
std::vector<std::string> Pictures() {
  const Image rgb = Gradient(12, 16, 3);
  std::vector<uint8_t> indices;
  for (int i = 0; i < 16 * 12; ++i) indices.push_back(static_cast<uint8_t>(i % 4));
  const std::string tiff(rgb.pixels.begin(), rgb.pixels.end());
  return {EncodeJpeg(rgb, "jpeg"), EncodePng(rgb, "png"), MakeWebp(rgb), MakeGif({16, 12, indices}),
          MakeTiff({16, 12, 3, tiff})};
}

// What is said of `copies` damaged files at `path`, each with a few changes; the number that work.
int DamageAndTry(const std::string& bytes, const std::string& path, int copies, uint64_t seed,
                 const std::function<void()>& work) {
  Random random(seed);
  int worked = 0;
  for (int i = 0; i < copies; ++i) {
    std::string copy = bytes;
    for (int64_t changes = 1 + random.Below(3); changes > 0; --changes)
      MutateOnce(random, copy, PositionIn(random, copy));
    WriteFile(path, copy);
    const std::string said = ErrorOf(work);
    worked += said == "no error";
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    EXPECT_LT(said.size(), 1200u + path.size());
  }
  return worked;
}

class Damaged : public ::testing::Test {
 protected:
  Damaged() : model_(folder_ / "style.onnx"), photo_(folder_ / "photo"), peak_(PeakMemory()) {
    SaveOnnx(StyleNetwork(), model_);
  }
  ~Damaged() override { EXPECT_LT(PeakMemory() - peak_, kMostGrowth); }

  TestFolder folder_;
  std::string model_, photo_;
  int64_t peak_;
};

TEST_F(Damaged, PicturesOfEveryKind) {
  Stylizer stylizer(model_, {});
  const auto stylize = [&] { stylizer.Stylize(ReadImage(photo_, 3)); };
  uint64_t seed = 0;
  for (const std::string& picture : Pictures()) {
    WriteFile(photo_, picture);
    ASSERT_NO_THROW(stylize());
    EXPECT_LT(DamageAndTry(picture, photo_, 200, ++seed, stylize), 200) << seed;
  }
}

TEST_F(Damaged, RealPictures) {
  SKIP_WITHOUT(RealData("photos"));
  Stylizer stylizer(model_, {});
  uint64_t seed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RealData("photos"))) {
    if (!IsPictureEnding(Ending(entry.path().string()))) continue;
    // The header of a large one, and the data of a small one: large ones take long.
    const Image small = LongerSide(ReadImage(entry.path().string(), 3), 200);
    const std::string start =
        ReadFileStart(entry.path().string(), std::min<uint64_t>(entry.file_size() / 2, 20'000));
    const auto stylize = [&] { stylizer.Stylize(ReadImage(photo_, 3)); };
    EXPECT_LT(DamageAndTry(EncodeJpeg(small, "small"), photo_, 20, ++seed, stylize), 20);
    EXPECT_EQ(DamageAndTry(start, photo_, 20, ++seed, stylize), 0);
  }
}

TEST_F(Damaged, Networks) {
  const Image photo = Gradient(12, 16, 3);
  const std::string path = folder_ / "damaged.onnx";
  const auto stylize = [&] { Stylizer(path, {}).Stylize(photo); };
  EXPECT_LT(DamageAndTry(ReadFile(model_), path, 400, 1, stylize), 400);
}

TEST_F(Damaged, RealNetworks) {
  const Image photo = Gradient(12, 16, 3);
  const std::string path = folder_ / "damaged.onnx";
  for (const char* name : {"style/candy.onnx", "style/candy-decomposed-256.onnx"}) {
    SKIP_WITHOUT(RealData(name));
    // Where sizes are fixed they are only read: 256 x 256 pixels take a third of a second.
    const bool any_size = std::string(name) == "style/candy.onnx";
    const auto stylize = [&] {
      Stylizer stylizer(path, {});
      if (any_size) stylizer.Stylize(photo);
    };
    EXPECT_LT(DamageAndTry(ReadFile(RealData(name)), path, 40, 2, stylize), 40);
  }
}

}  // namespace
}  // namespace normkit
