#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "normkit/core/random.h"
#include "normkit/data/source.h"
#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/core/parallel.h"
#include "src/data/array_source.h"
#include "src/data/glyphs.h"

namespace normkit {
namespace {

constexpr int kSide = 28;
constexpr int kPixels = kSide * kSide;
constexpr int64_t kMaxCount = 100'000'000;
constexpr int64_t kMaxKept = 200'000;  // up to here (157 MB) pixels are drawn once and kept

Layout DigitLayout() { return Layout::Make("BSSC", std::array<int64_t, 4>{1, kSide, kSide, 1}); }

std::vector<std::string> DigitClasses() {
  std::vector<std::string> names;
  for (int digit = 0; digit < 10; ++digit) names.push_back(std::to_string(digit));
  return names;
}

// From the glyph's box to pixels: scale and shear, then rotation, then shift.
struct Affine {
  double xx, xy, yx, yy, x0, y0;
  Point operator()(Point p) const { return {xx * p.x + xy * p.y + x0, yx * p.x + yy * p.y + y0}; }
};

Affine RandomAffine(Random& random) {
  constexpr double kDegree = 0.017453292519943295;
  const double angle = random.Uniform(-20, 20) * kDegree;
  const double height = random.Uniform(15, 22), width = height * random.Uniform(0.75, 1.2);
  const double shear = random.Uniform(-0.3, 0.3);
  const double c = std::cos(angle), s = std::sin(angle);
  const double x0 = kSide / 2.0 + random.Uniform(-3, 3), y0 = kSide / 2.0 + random.Uniform(-3, 3);
  return {.xx = c * width,
          .xy = c * width * shear - s * height,
          .yx = s * width,
          .yy = s * width * shear + c * height,
          .x0 = x0,
          .y0 = y0};
}

// The squared distance of every pixel's centre to the nearest line drawn so far.
class DistanceMap {
 public:
  explicit DistanceMap(double reach) : reach_(reach) {
    squared_.fill(std::numeric_limits<double>::max());
  }

  // Only pixels within `reach` of the line are looked at.
  void Draw(Point a, Point b) {
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double length2 = dx * dx + dy * dy, scale = length2 > 0 ? 1 / length2 : 0;
    const int left = Clip(std::min(a.x, b.x) - reach_), right = Clip(std::max(a.x, b.x) + reach_);
    const int top = Clip(std::min(a.y, b.y) - reach_), bottom = Clip(std::max(a.y, b.y) + reach_);
    for (int row = top; row <= bottom; ++row)
      for (int column = left; column <= right; ++column) {
        const double px = column + 0.5 - a.x, py = row + 0.5 - a.y;
        const double t = std::clamp((px * dx + py * dy) * scale, 0.0, 1.0);
        const double ex = px - t * dx, ey = py - t * dy;
        double& nearest = squared_[static_cast<size_t>(row * kSide + column)];
        nearest = std::min(nearest, ex * ex + ey * ey);
      }
  }

  double squared(size_t pixel) const { return squared_[pixel]; }

 private:
  static int Clip(double position) {
    return static_cast<int>(std::clamp(position, 0.0, kSide - 1.0));
  }

  double reach_;
  std::array<double, kPixels> squared_;
};

// About normal, standard deviation 1, from four 16-bit uniforms: no function whose last bit differs
// between mathematical libraries, and a tenth of Box-Muller's time.
double Noise(Random& random) {
  const uint64_t bits = random.Bits();
  const auto sum = static_cast<double>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                       (bits >> 32 & 0xffff) + (bits >> 48));
  return (sum - 131070) * (1 / (65536 * 0.57735026918962576));
}

Random StreamOf(uint64_t seed, int64_t index) { return Random(seed, static_cast<uint64_t>(index)); }

// The first draw of an observation's stream.
int DrawLabel(Random& random) { return static_cast<int>(random.Below(10)); }

// How the ink and the paper look.
struct Look {
  double radius, softness;  // of the pen, pixels
  double paper, ink;        // grey values
  double slope_x, slope_y;  // the light falls unevenly: grey values a pixel
  double noise;             // standard deviation, grey values
};

Look RandomLook(Random& random) {
  Look look;
  look.radius = random.Uniform(0.8, 1.9);
  look.softness = random.Uniform(0.9, 2.0);
  look.paper = random.Uniform(5, 90);
  look.ink = look.paper + random.Uniform(70, 165);
  look.slope_x = random.Uniform(-1.2, 1.2);
  look.slope_y = random.Uniform(-1.2, 1.2);
  look.noise = random.Uniform(2, 16);
  return look;
}

// The pen's path: one of the digit's glyphs with every point moved a little, in pixels.
void DrawStrokes(const Glyph& glyph, const Affine& affine, Random& random, DistanceMap& map) {
  const double tremble = random.Uniform(0, 0.03);
  for (Stroke stroke : glyph) {
    for (Point& point : stroke.points) {
      point.x += tremble * Noise(random);
      point.y += tremble * Noise(random);
    }
    const std::vector<Point> chain = Flatten(stroke, 5);
    for (size_t i = 0; i + 1 < chain.size(); ++i) map.Draw(affine(chain[i]), affine(chain[i + 1]));
  }
}

void DrawDigit(uint64_t seed, int64_t index, std::span<uint8_t> pixels) {
  Random random = StreamOf(seed, index);
  const std::vector<Glyph>& variants = GlyphsOf(DrawLabel(random));
  const auto variant = static_cast<size_t>(random.Below(static_cast<int64_t>(variants.size())));
  const Affine affine = RandomAffine(random);
  const Look look = RandomLook(random);
  DistanceMap map(look.radius + look.softness);
  DrawStrokes(variants[variant], affine, random, map);
  for (size_t i = 0; i < kPixels; ++i) {
    const double distance = std::sqrt(map.squared(i));
    const double covered = std::clamp(0.5 + (look.radius - distance) / look.softness, 0.0, 1.0);
    const double light = look.slope_x * (static_cast<double>(i % kSide) - kSide / 2.0) +
                         look.slope_y * (static_cast<double>(i / kSide) - kSide / 2.0);
    const double grey =
        look.paper + (look.ink - look.paper) * covered + light + look.noise * Noise(random);
    pixels[i] = static_cast<uint8_t>(std::clamp(grey + 0.5, 0.0, 255.0));
  }
}

// Draws an observation each time it is read: for more digits than memory should hold.
class DigitsSource : public DataSource {
 public:
  DigitsSource(int64_t count, uint64_t seed, std::string description)
      : count_(count), seed_(seed), description_(std::move(description)) {}

  int64_t size() const override { return count_; }
  const Layout& layout() const override { return layout_; }
  const std::vector<std::string>& classes() const override { return classes_; }
  int64_t label(int64_t index) const override {
    Random random = StreamOf(seed_, index);
    return DrawLabel(random);
  }
  void Read(int64_t index, std::span<float> out) const override {
    std::array<uint8_t, kPixels> pixels;
    DrawDigit(seed_, index, pixels);
    std::copy(pixels.begin(), pixels.end(), out.begin());
  }
  std::string Description() const override { return description_; }
  uint64_t Fingerprint() const override {
    Hash hash;
    hash.Add(std::string_view("digits"));
    hash.Add(seed_);
    return hash.value();
  }
  ValueRange Range() const override { return {0, 255}; }

 private:
  int64_t count_;
  uint64_t seed_;
  std::string description_;
  Layout layout_ = DigitLayout();
  std::vector<std::string> classes_ = DigitClasses();
};

}  // namespace

DataPtr GenerateDigits(int64_t count, uint64_t seed) {
  if (count < 1 || count > kMaxCount)
    Fail("digits: {} are asked for, expected 1 to {}", count, kMaxCount);
  std::string description = fmt::format("digits ({} generated, seed {})", count, seed);
  const auto drawn = std::make_shared<DigitsSource>(count, seed, description);
  if (count > kMaxKept) return drawn;

  Arrays<uint8_t> arrays;
  arrays.layout = DigitLayout();
  arrays.x.resize(static_cast<size_t>(count) * kPixels);
  arrays.labels.resize(static_cast<size_t>(count));
  arrays.classes = DigitClasses();
  arrays.description = std::move(description);
  arrays.fingerprint = drawn->Fingerprint();
  ParallelFor(count, count >= 64, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    arrays.labels[k] = drawn->label(i);
    DrawDigit(seed, i, std::span(arrays.x).subspan(k * kPixels, kPixels));
  });
  return std::make_shared<ArraySource<uint8_t>>(std::move(arrays));
}

}  // namespace normkit
