#include <algorithm>
#include <cmath>

#include "normkit/data/image.h"
#include "src/core/fail.h"
#include "src/data/image_codec.h"

namespace normkit {
namespace {

// How one axis is resized: output i is the sum of weight x input over `taps` inputs.
struct Taps {
  std::vector<int64_t> first;
  std::vector<float> weights;  // [outputs, count]
  int64_t count;
};

Taps MakeTaps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  Taps taps;
  taps.count = std::min(from, to < from ? static_cast<int64_t>(scale) + 2 : int64_t{2});
  taps.first.resize(static_cast<size_t>(to));
  taps.weights.assign(static_cast<size_t>(to * taps.count), 0);
  for (int64_t i = 0; i < to; ++i) {
    // The part of the input that the output covers; where growing, one input wide about its middle.
    const double half = std::max(scale, 1.0) / 2, middle = (static_cast<double>(i) + 0.5) * scale;
    const double begin = middle - half, end = middle + half;
    const int64_t first =
        std::clamp(static_cast<int64_t>(std::floor(begin)), int64_t{0}, from - taps.count);
    taps.first[static_cast<size_t>(i)] = first;
    for (auto k = static_cast<int64_t>(std::floor(begin)); static_cast<double>(k) < end; ++k) {
      const double covered =
          std::min(end, static_cast<double>(k + 1)) - std::max(begin, static_cast<double>(k));
      // Beyond the border the outermost pixel goes on.
      const int64_t tap = std::clamp(k - first, int64_t{0}, taps.count - 1);
      taps.weights[static_cast<size_t>(i * taps.count + tap)] +=
          static_cast<float>(covered / (2 * half));
    }
  }
  return taps;
}

// One row of `channels` interleaved values, resized.
void ResizeRow(const uint8_t* in, const Taps& taps, int64_t channels, float* out) {
  for (size_t i = 0; i < taps.first.size(); ++i)
    for (int64_t c = 0; c < channels; ++c) {
      const uint8_t* at = in + taps.first[i] * channels + c;
      const float* weight = &taps.weights[i * static_cast<size_t>(taps.count)];
      float sum = 0;
      for (int64_t k = 0; k < taps.count; ++k) sum += weight[k] * at[k * channels];
      *out++ = sum;
    }
}

}  // namespace

Image Resize(const Image& image, int64_t height, int64_t width) {
  CheckImage(image, "resizing");
  if (height < 1 || width < 1 || height > kMaxPixels / width)
    Fail("resizing: {} x {} pixels are asked for, expected at least 1 x 1 and at most {} in all",
         width, height, kMaxPixels);
  if (height == image.height && width == image.width) return image;
  const Taps columns = MakeTaps(image.width, width), rows = MakeTaps(image.height, height);
  const auto stride = static_cast<size_t>(width * image.channels);
  std::vector<float> narrow(static_cast<size_t>(image.height) * stride);
  for (int64_t y = 0; y < image.height; ++y)
    ResizeRow(&image.pixels[static_cast<size_t>(y * image.width * image.channels)], columns,
              image.channels, &narrow[static_cast<size_t>(y) * stride]);
  Image out{height, width, image.channels, {}};
  out.pixels.resize(static_cast<size_t>(height) * stride);
  std::vector<float> sums(stride);
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    std::fill(sums.begin(), sums.end(), 0.5f);  // rounds
    for (size_t k = 0; k < static_cast<size_t>(rows.count); ++k) {
      const float weight = rows.weights[y * static_cast<size_t>(rows.count) + k];
      const float* in = &narrow[(static_cast<size_t>(rows.first[y]) + k) * stride];
      for (size_t i = 0; i < stride; ++i) sums[i] += weight * in[i];
    }
    std::transform(sums.begin(), sums.end(), out.pixels.begin() + static_cast<int64_t>(y * stride),
                   [](float sum) { return static_cast<uint8_t>(std::clamp(sum, 0.0f, 255.0f)); });
  }
  return out;
}

}  // namespace normkit
