#include "src/stylize/content_pictures.h"

#include <algorithm>
#include <cmath>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/core/parallel.h"
#include "src/stylize/pixels.h"
#include "src/stylize/synthetic_pictures.h"

namespace normkit {
namespace {

// With the shorter side of this length.
Image ShorterSide(const Image& image, int64_t side) {
  const int64_t shorter = std::min(image.height, image.width);
  const auto scaled = [&](int64_t size) { return (2 * size * side + shorter) / (2 * shorter); };
  return Resize(image, scaled(image.height), scaled(image.width));
}

void Mirror(Image& image) {
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width / 2; ++x) {
      const auto at = [&](int64_t column) {
        return image.pixels.begin() + (y * image.width + column) * image.channels;
      };
      std::swap_ranges(at(x), at(x) + image.channels, at(image.width - 1 - x));
    }
}

}  // namespace

std::string HashOf(const std::vector<Image>& pictures) {
  Hash hash;
  for (const Image& picture : pictures) {
    hash.Add(static_cast<uint64_t>(picture.width));
    hash.Add(std::span<const uint8_t>(picture.pixels));
  }
  return fmt::format("{:016x}", hash.value());
}

int64_t ContentPictures::SideFor(int64_t size) {
  return static_cast<int64_t>(std::ceil(kRoom * static_cast<double>(size)));
}

ContentPictures ContentPictures::Synthetic(uint64_t seed, int64_t count, int64_t size) {
  std::vector<Image> pictures(static_cast<size_t>(count));
  const int64_t side = SideFor(size);
  ParallelFor(count, true, [&](int64_t i) {
    pictures[static_cast<size_t>(i)] =
        SyntheticContent(Random::BitsAt(seed, static_cast<uint64_t>(i)), side, side);
  });
  return {fmt::format("{} synthetic pictures", count), std::move(pictures)};
}

ContentPictures ContentPictures::FromFiles(const std::string& name,
                                           const std::vector<std::string>& files, int64_t size,
                                           int64_t most,
                                           const std::function<void(int64_t)>& progress) {
  if (files.empty()) Fail("{}: no pictures, expected some to learn on", name);
  const auto all = std::ssize(files), count = std::min(all, most);
  std::vector<Image> pictures;
  for (int64_t i = 0; i < count; ++i) {
    pictures.push_back(
        ShorterSide(ReadImage(files[static_cast<size_t>(i * all / count)], 3), SideFor(size)));
    progress(i + 1);
  }
  return {count == all ? fmt::format("{} pictures of {}", count, name)
                       : fmt::format("{} of the {} pictures of {}", count, all, name),
          std::move(pictures)};
}

DataIdentity ContentPictures::Identity() const {
  return {{"observations", std::to_string(pictures_.size())}, {"contents", HashOf(pictures_)}};
}

void ContentPictures::CutOut(uint64_t seed, int64_t iteration, int64_t size,
                             std::span<float> to) const {
  Random random(seed, static_cast<uint64_t>(iteration));
  const auto each = static_cast<size_t>(size * size * 3);
  for (size_t begin = 0; begin < to.size(); begin += each) {
    const Image& picture = pictures_[static_cast<size_t>(random.Below(std::ssize(pictures_)))];
    const int64_t top = random.Below(picture.height - size + 1),
                  left = random.Below(picture.width - size + 1);
    Image part = CutFrom(picture, top, left, size, size);
    if (random.Below(2) == 1) Mirror(part);
    ToValues(part, {.largest = 1}, to.subspan(begin, each));
  }
}

Image ContentPictures::Middle(size_t picture, int64_t size) const {
  const Image& image = pictures_[picture];
  return CutFrom(image, (image.height - size) / 2, (image.width - size) / 2, size, size);
}

}  // namespace normkit
