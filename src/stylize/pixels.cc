#include "src/stylize/pixels.h"

#include <algorithm>
#include <cmath>

#include "src/core/parallel.h"

namespace normkit {
namespace {

uint8_t Byte(double x) {
  return static_cast<uint8_t>(x > 0 ? std::min(std::floor(x + 0.5), 255.0) : 0);
}

size_t Count(const Image& image) { return static_cast<size_t>(image.height * image.width); }

// Row or column `i` of a picture that is mirrored at its last one, and at its first again.
int64_t MirroredIndex(int64_t i, int64_t size) {
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1), at = i % period;
  return at < size ? at : period - at;
}

}  // namespace

namespace {

// Calls pixel(row, column, offset of the first channel, how far the channels lie apart) for a box.
template <class Function>
void ForPixels(bool channels_last, const Box& box, const Function& pixel) {
  const size_t rows = channels_last ? 1 : 2, columns = rows + 1;
  const int64_t width = box.size[columns], apart = channels_last ? 1 : box.size[rows] * width;
  ParallelFor(box.size[rows], box.size[rows] * width > (1 << 14), [&](int64_t r) {
    for (int64_t c = 0; c < width; ++c)
      pixel(box.begin[rows] + r, box.begin[columns] + c, (r * width + c) * (channels_last ? 3 : 1),
            apart);
  });
}

}  // namespace

void ToBox(const Image& image, const PixelMeaning& meaning, bool channels_last, const Box& box,
           float* to) {
  const float scale = meaning.largest / 255;
  ForPixels(channels_last, box, [&](int64_t row, int64_t column, int64_t at, int64_t apart) {
    const int64_t y = MirroredIndex(row, image.height), x = MirroredIndex(column, image.width);
    const uint8_t* pixel = image.pixels.data() + (y * image.width + x) * 3;
    for (int64_t c = 0; c < 3; ++c) to[at + c * apart] = scale * pixel[meaning.bgr ? 2 - c : c];
  });
}

void FromBox(const float* from, const PixelMeaning& meaning, bool channels_last, const Box& box,
             Image& image) {
  const double scale = 255.0 / static_cast<double>(meaning.largest);
  ForPixels(channels_last, box, [&](int64_t row, int64_t column, int64_t at, int64_t apart) {
    if (row >= image.height || column >= image.width) return;
    uint8_t* pixel = image.pixels.data() + (row * image.width + column) * 3;
    for (int64_t c = 0; c < 3; ++c)
      pixel[c] = Byte(scale * static_cast<double>(from[at + (meaning.bgr ? 2 - c : c) * apart]));
  });
}

namespace {

Box WholeBox(int64_t height, int64_t width) { return {{0, 0, 0, 0}, {1, height, width, 3}}; }

}  // namespace

void ToValues(const Image& image, const PixelMeaning& meaning, std::span<float> values) {
  ToBox(image, meaning, true, WholeBox(image.height, image.width), values.data());
}

Image FromValues(std::span<const float> values, int64_t height, int64_t width,
                 const PixelMeaning& meaning) {
  Image image{height, width, 3, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  FromBox(values.data(), meaning, true, WholeBox(height, width), image);
  return image;
}

Image CutFrom(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  Image part{height, width, image.channels, {}};
  for (int64_t y = top; y < top + height; ++y) {
    const auto row = image.pixels.begin() + (y * image.width + left) * image.channels;
    part.pixels.insert(part.pixels.end(), row, row + width * image.channels);
  }
  return part;
}

Image Mixed(const Image& content, const Image& styled, double strength) {
  Image out = styled;
  for (size_t i = 0; i < out.pixels.size(); ++i)
    out.pixels[i] = Byte(strength * styled.pixels[i] + (1 - strength) * content.pixels[i]);
  return out;
}

Image WithColours(const Image& brightness, const Image& colours) {
  Image out = colours;
  const auto luma = [](const uint8_t* p) { return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; };
  for (size_t i = 0; i < Count(out); ++i) {
    // Equal Cb and Cr: every channel moves by as much as the brightness does.
    const double change = luma(&brightness.pixels[i * 3]) - luma(&colours.pixels[i * 3]);
    for (size_t c = 0; c < 3; ++c) out.pixels[i * 3 + c] = Byte(colours.pixels[i * 3 + c] + change);
  }
  return out;
}

Image SideBySide(const Image& left, const Image& right) {
  Image out{left.height, left.width + right.width, left.channels, {}};
  for (int64_t y = 0; y < left.height; ++y)
    for (const Image* image : {&left, &right}) {
      const auto row = image->pixels.begin() + y * image->width * image->channels;
      out.pixels.insert(out.pixels.end(), row, row + image->width * image->channels);
    }
  return out;
}

Image LongerSide(const Image& image, int64_t longer) {
  const int64_t side = std::max(image.height, image.width);
  if (longer == 0 || longer == side) return image;
  const auto scaled = [&](int64_t size) {
    return std::max<int64_t>(1, (2 * size * longer + side) / (2 * side));
  };
  return Resize(image, scaled(image.height), scaled(image.width));
}

}  // namespace normkit
