#include "normkit/data/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/core/scratch.h"

namespace normkit {
namespace {

struct PictureSize {
  int64_t height, width, channels;
  int64_t size() const { return height * width * channels; }
};

// Where the pixel of a place is taken from: origin + place * matrix, in pixels.
struct Placement {
  double x0, y0, xx, xy, yx, yy;
};

double Either(Random& random, double most) { return random.Uniform(-most, most); }

// All numbers are drawn, whatever is wanted: what one part does does not depend on the others.
Placement DrawPlacement(const Augmentation& a, const PictureSize& size, Random& random) {
  const double mirror = random.Uniform() < a.flip ? -1 : 1;
  const double window = 1 - random.Uniform(0, 1) * a.crop;  // of each side
  const double right = Either(random, 1 - window) / 2, down = Either(random, 1 - window) / 2;
  const double shift_x = Either(random, a.shift), shift_y = Either(random, a.shift);
  const double zoom = window / (1 + Either(random, a.scale));
  const double angle = Either(random, a.rotate) * std::numbers::pi / 180;
  const double cos = std::cos(angle) * zoom, sin = std::sin(angle) * zoom;
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  const double x = (width - 1) / 2, y = (height - 1) / 2;  // the middle
  Placement p{.x0 = 0, .y0 = 0, .xx = mirror * cos, .xy = -sin, .yx = mirror * sin, .yy = cos};
  p.x0 = x + (right + shift_x) * width - p.xx * x - p.xy * y;
  p.y0 = y + (down + shift_y) * height - p.yx * x - p.yy * y;
  return p;
}

void Resample(const PictureSize& size, const Placement& p, const float* from, float* to) {
  const auto right = static_cast<double>(size.width - 1),
             low = static_cast<double>(size.height - 1);
  for (int64_t row = 0; row < size.height; ++row)
    for (int64_t column = 0; column < size.width; ++column, to += size.channels) {
      const auto u = static_cast<double>(column), v = static_cast<double>(row);
      const double x = std::clamp(p.x0 + p.xx * u + p.xy * v, 0.0, right);
      const double y = std::clamp(p.y0 + p.yx * u + p.yy * v, 0.0, low);
      const auto x0 = static_cast<int64_t>(x), y0 = static_cast<int64_t>(y);
      const int64_t x1 = std::min(x0 + 1, size.width - 1), y1 = std::min(y0 + 1, size.height - 1);
      const auto fx = static_cast<float>(x - static_cast<double>(x0)),
                 fy = static_cast<float>(y - static_cast<double>(y0));
      const auto at = [&](int64_t r, int64_t c) {
        return from + (r * size.width + c) * size.channels;
      };
      const float *a = at(y0, x0), *b = at(y0, x1), *c = at(y1, x0), *d = at(y1, x1);
      for (int64_t k = 0; k < size.channels; ++k) {
        const float above = a[k] + fx * (b[k] - a[k]), below = c[k] + fx * (d[k] - c[k]);
        to[k] = above + fy * (below - above);
      }
    }
}

void Erase(const Augmentation& a, const PictureSize& size, Random& random, std::span<float> x) {
  const bool wanted = random.Uniform() < 0.5;
  const auto side = [&](int64_t whole) {
    const double most = a.erase * static_cast<double>(whole);
    return std::clamp<int64_t>(std::llround(random.Uniform(0, most)), 1, whole);
  };
  const int64_t height = side(size.height), width = side(size.width);
  const int64_t top = random.Below(size.height - height + 1),
                left = random.Below(size.width - width + 1);
  if (!wanted) return;
  std::vector<double> mean(static_cast<size_t>(size.channels));
  for (size_t i = 0; i < x.size(); ++i) mean[i % mean.size()] += x[i];
  for (double& value : mean) value /= static_cast<double>(size.height * size.width);
  for (int64_t row = top; row < top + height; ++row)
    for (int64_t column = left; column < left + width; ++column)
      for (int64_t k = 0; k < size.channels; ++k)
        x[static_cast<size_t>((row * size.width + column) * size.channels + k)] =
            static_cast<float>(mean[static_cast<size_t>(k)]);
}

}  // namespace

void Augment(const Augmentation& augmentation, const Layout& layout,
             std::span<const int64_t> indices, uint64_t seed, int64_t epoch, std::span<float> x) {
  if (!augmentation.any()) return;
  const std::vector<int64_t> shape = layout.shape();
  if (layout.format() != "BSSC")
    Fail("augmentation: observations are {}, expected pictures, BSSC", layout.ToString());
  const PictureSize size{shape[1], shape[2], shape[3]};
  const auto each = static_cast<size_t>(size.size());
  const bool moves = augmentation != Augmentation{.erase = augmentation.erase};
  ParallelFor(std::ssize(indices), indices.size() * each > size_t{1} << 14, [&](int64_t i) {
    // Apart from the streams of parameters and orders. An epoch has fewer than 2^42 observations.
    const uint64_t stream = uint64_t{1} << 63 | static_cast<uint64_t>(epoch) << 42 |
                            static_cast<uint64_t>(indices[static_cast<size_t>(i)]);
    Random random(seed, stream);
    const auto one = x.subspan(static_cast<size_t>(i) * each, each);
    const Placement placement = DrawPlacement(augmentation, size, random);
    if (moves) {
      struct CopyTag;
      float* copy = Scratch<CopyTag, float>(each);
      std::ranges::copy(one, copy);
      Resample(size, placement, copy, one.data());
    }
    if (augmentation.erase > 0) Erase(augmentation, size, random, one);
  });
}

}  // namespace normkit
