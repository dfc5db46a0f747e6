// Data that others made, where it is at hand.
#include <gtest/gtest.h>

#include <numeric>

#include "normkit/data/image.h"
#include "normkit/data/source.h"
#include "src/core/testing.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

double MeanOf(const DataSource& source, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i)
    for (float value : ReadOne(source, i)) sum += value;
  return sum / static_cast<double>(count * source.layout().size());
}

TEST(RealDataTest, Mnist) {
  const std::string prefix = RealData("mnist/t10k");
  SKIP_WITHOUT(RealData("mnist"));
  const DataPtr mnist = OpenData(prefix);
  EXPECT_EQ(mnist->size(), 10'000);
  EXPECT_EQ(mnist->layout().ToString(), "BSSC [1,28,28,1]");
  EXPECT_EQ(mnist->classes().size(), 10u);
  const std::vector<int64_t> first = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9};
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_EQ(mnist->label(static_cast<int64_t>(i)), first[i]);
  EXPECT_NEAR(MeanOf(*mnist, mnist->size()), 0.1325 * 255, 0.05);
  const Split split = SplitData(mnist, 0.15, 1);
  EXPECT_EQ(split.first->size(), 8500);
  EXPECT_EQ(split.second->size(), 1500);
}

TEST(RealDataTest, CifarFolders) {
  const std::string path = RealData("cifar10-jpg/test");
  SKIP_WITHOUT(path);
  const DataPtr cifar = OpenData(path);
  EXPECT_EQ(cifar->size(), 2000);
  EXPECT_EQ(cifar->layout().ToString(), "BSSC [1,32,32,3]");
  EXPECT_EQ(cifar->classes().front(), "airplane");
  EXPECT_EQ(cifar->classes().back(), "truck");
  EXPECT_EQ(cifar->label(200), 1);
  EXPECT_NEAR(MeanOf(*cifar, cifar->size()), 121, 3);
  const DataPtr small = OpenData(path, {.height = 16, .width = 20, .channels = 1});
  EXPECT_EQ(small->layout().ToString(), "BSSC [1,16,20,1]");
  EXPECT_NEAR(MeanOf(*small, small->size()), 123, 3);
}

TEST(RealDataTest, Photographs) {
  const std::string folder = RealData("photos");
  SKIP_WITHOUT(folder);
  const TestFolder out;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const Image photo = ReadImage(entry.path().string());
    EXPECT_GE(photo.height, 100) << entry.path();
    EXPECT_EQ(photo.channels, 3) << entry.path();
    const Image small = Resize(photo, 90, 120);
    WriteImage(out / "small.png", small);
    EXPECT_EQ(ReadImage(out / "small.png").pixels, small.pixels);
    // Averaging keeps the mean.
    const auto mean = [](const Image& image) {
      return std::accumulate(image.pixels.begin(), image.pixels.end(), 0.0) /
             static_cast<double>(image.pixels.size());
    };
    EXPECT_NEAR(mean(small), mean(photo), 0.1);
    ++count;
  }
  EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace normkit
