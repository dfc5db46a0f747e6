#include "src/stylize/synthetic_pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit {
namespace {

using Colour = std::array<double, 3>;  // of 0 to 1

constexpr double kPi = std::numbers::pi;

Colour Mix(const Colour& a, const Colour& b, double weight_of_b) {
  Colour mixed;
  for (size_t c = 0; c < 3; ++c) mixed[c] = a[c] + weight_of_b * (b[c] - a[c]);
  return mixed;
}

// As photographs have them: few are strong.
Colour AnyColour(Random& random) {
  const double light = random.Uniform();
  return Mix({light, light, light}, {random.Uniform(), random.Uniform(), random.Uniform()},
             random.Uniform(0.1, 0.8));
}

// Colours that go together: one hue and its neighbours, light and dark, and one from elsewhere.
std::vector<Colour> Palette(Random& random, int count) {
  const double hue = random.Uniform(0, 2 * kPi);
  std::vector<Colour> palette;
  for (int i = 0; i < count; ++i) {
    const double at = hue + (i == count - 1 ? kPi : random.Uniform(-0.7, 0.7));
    const double light = random.Uniform(0.15, 0.95), strength = random.Uniform(0.2, 0.5);
    Colour colour;
    for (size_t c = 0; c < 3; ++c)
      colour[c] = std::clamp(light + strength * std::cos(at - 2 * kPi * static_cast<double>(c) / 3),
                             0.0, 1.0);
    palette.push_back(colour);
  }
  return palette;
}

// Smooth noise within -1 and 1: random numbers on a grid of period 1, blended.
class Noise {
 public:
  explicit Noise(uint64_t key) : key_(key) {}
  double At(double y, double x) const {
    const double fy = std::floor(y), fx = std::floor(x);
    const auto smooth = [](double t) { return t * t * (3 - 2 * t); };
    const double ty = smooth(y - fy), tx = smooth(x - fx);
    const auto row = [&](double at) { return Lerp(Corner(at, fx), Corner(at, fx + 1), tx); };
    return Lerp(row(fy), row(fy + 1), ty);
  }
  // Of several sizes, each half as large and half as strong as the one before.
  double Fractal(double y, double x, int octaves) const {
    double sum = 0, weight = 0.5, period = 1;
    for (int i = 0; i < octaves; ++i, weight /= 2, period *= 2)
      sum += weight * At(y * period + 17 * i, x * period);
    return sum;
  }

 private:
  static double Lerp(double a, double b, double t) { return a + t * (b - a); }
  double Corner(double y, double x) const {
    const auto place = static_cast<uint64_t>(static_cast<int64_t>(y) * 65'537 +
                                             static_cast<int64_t>(x) + (int64_t{1} << 40));
    return static_cast<double>(Random::BitsAt(key_, place) >> 11) * 0x1p-52 - 1;
  }

  uint64_t key_;
};

// A picture that is drawn over, in units of its smaller side.
class Canvas {
 public:
  Canvas(int64_t height, int64_t width)
      : height_(height),
        width_(width),
        unit_(static_cast<double>(std::min(height, width))),
        pixels_(static_cast<size_t>(height * width)) {}

  double height() const { return static_cast<double>(height_) / unit_; }
  double width() const { return static_cast<double>(width_) / unit_; }
  double pixel() const { return 1 / unit_; }

  // colour(y, x) within a box, drawn as strongly as cover(y, x) says, 0 to 1.
  template <class Cover, class Paint>
  void Draw(double top, double left, double bottom, double right, const Cover& cover,
            const Paint& paint) {
    const auto clipped = [&](double at, int64_t size) {
      return std::clamp<int64_t>(static_cast<int64_t>(at * unit_), 0, size);
    };
    for (int64_t i = clipped(top, height_); i < clipped(bottom + pixel(), height_); ++i)
      for (int64_t k = clipped(left, width_); k < clipped(right + pixel(), width_); ++k) {
        const double y = (static_cast<double>(i) + 0.5) / unit_,
                     x = (static_cast<double>(k) + 0.5) / unit_;
        if (const double strength = cover(y, x); strength > 0) {
          Colour& pixel = pixels_[static_cast<size_t>(i * width_ + k)];
          pixel = Mix(pixel, paint(y, x), std::min(strength, 1.0));
        }
      }
  }
  template <class Paint>
  void Fill(const Paint& paint) {
    Draw(
        0, 0, height(), width(), [](double, double) { return 1; }, paint);
  }
  // How much of a pixel lies inside, where an edge is at `distance` (below 0: inside).
  double Inside(double distance) const { return std::clamp(0.5 - distance * unit_, 0.0, 1.0); }

  Image ToImage() const {
    Image image{height_, width_, 3, {}};
    for (const Colour& pixel : pixels_)
      for (const double x : pixel)
        image.pixels.push_back(static_cast<uint8_t>(std::clamp(x, 0.0, 1.0) * 255 + 0.5));
    return image;
  }

 private:
  int64_t height_, width_;
  double unit_;
  std::vector<Colour> pixels_;
};

// An ellipse or a box, turned, lit from one side, with a texture of its own.
void DrawShape(Canvas& canvas, Random& random) {
  const double y0 = random.Uniform(0, canvas.height()), x0 = random.Uniform(0, canvas.width()),
               a = random.Uniform(0.04, 0.3), b = a * random.Uniform(0.4, 1),
               angle = random.Uniform(0, kPi), cosine = std::cos(angle), sine = std::sin(angle),
               light = random.Uniform(0, 2 * kPi), grain = random.Uniform(0, 0.25),
               period = random.Uniform(8, 60), stripes = random.Uniform() < 0.3 ? 0.3 : 0;
  const bool round = random.Uniform() < 0.6;
  const Colour colour = AnyColour(random);
  const Noise noise(random.Bits());
  const auto place = [&](double y, double x) {
    return std::pair{cosine * (x - x0) + sine * (y - y0), cosine * (y - y0) - sine * (x - x0)};
  };
  const double reach = a + b;
  canvas.Draw(
      y0 - reach, x0 - reach, y0 + reach, x0 + reach,
      [&](double y, double x) {
        const auto [u, v] = place(y, x);
        return canvas.Inside(round ? (std::hypot(u / a, v / b) - 1) * b
                                   : std::max(std::abs(u) - a, std::abs(v) - b));
      },
      [&](double y, double x) {
        const auto [u, v] = place(y, x);
        const double shade = 1 + 0.5 * (std::cos(light) * u / a + std::sin(light) * v / b) +
                             grain * noise.At(y * period, x * period) +
                             stripes * std::sin(u * period * 4);
        return Mix({0, 0, 0}, colour, shade);
      });
}

using Painter = void (*)(Canvas&, Random&, const std::vector<Colour>&);

// Short strokes of one colour each along a field of directions.
void PaintStrokes(Canvas& canvas, Random& random, const std::vector<Colour>& palette) {
  const Noise flow(random.Bits()), tone(random.Bits());
  canvas.Fill([&](double, double) { return palette[0]; });
  const double length = 0.05, thick = 0.011;
  const auto count = static_cast<int>(4 * canvas.height() * canvas.width() / (length * thick));
  for (int i = 0; i < count; ++i) {
    const double y0 = random.Uniform(0, canvas.height()), x0 = random.Uniform(0, canvas.width()),
                 angle = 3 * kPi * flow.Fractal(y0 * 2, x0 * 2, 2), cosine = std::cos(angle),
                 sine = std::sin(angle), light = random.Uniform(0.75, 1.2);
    const double shown = (tone.Fractal(y0 * 3, x0 * 3, 3) + 1) / 2 + random.Uniform(-0.15, 0.15);
    const auto at =
        static_cast<size_t>(std::clamp(shown, 0.0, 0.999) * static_cast<double>(palette.size()));
    canvas.Draw(
        y0 - length, x0 - length, y0 + length, x0 + length,
        [&](double y, double x) {
          const double u = cosine * (x - x0) + sine * (y - y0),
                       v = cosine * (y - y0) - sine * (x - x0),
                       past = std::max(std::abs(u) - length / 2, 0.0);
          return canvas.Inside(std::hypot(past, v) - thick / 2);
        },
        [&](double y, double x) {
          const double v = cosine * (y - y0) - sine * (x - x0);
          return Mix({0, 0, 0}, palette[at], light * (1 + 0.3 * std::sin(v / thick * 4)));
        });
  }
}

// Stones of one colour each with dark joints.
void PaintMosaic(Canvas& canvas, Random& random, const std::vector<Colour>& palette) {
  const double size = 0.045;
  const uint64_t key = random.Bits();
  const Noise tone(random.Bits());
  const auto stone = [&](int64_t row, int64_t column, uint64_t what) {
    const auto place = static_cast<uint64_t>(row * 65'537 + column + (int64_t{1} << 40));
    return static_cast<double>(Random::BitsAt(key + what, place) >> 11) * 0x1p-53;
  };
  canvas.Fill([&](double y, double x) {
    const auto row = static_cast<int64_t>(std::floor(y / size)),
               column = static_cast<int64_t>(std::floor(x / size));
    double nearest = 9, second = 9, my = 0, mx = 0, light = 1;
    for (int64_t r = row - 2; r <= row + 2; ++r)
      for (int64_t c = column - 2; c <= column + 2; ++c) {
        const double sy = (static_cast<double>(r) + 0.15 + 0.7 * stone(r, c, 0)) * size,
                     sx = (static_cast<double>(c) + 0.15 + 0.7 * stone(r, c, 1)) * size,
                     distance = std::hypot(y - sy, x - sx);
        if (distance < nearest) {
          second = std::exchange(nearest, distance);
          my = sy, mx = sx, light = 0.8 + 0.4 * stone(r, c, 2);
        } else {
          second = std::min(second, distance);
        }
      }
    const double shown = std::clamp((tone.Fractal(my * 3, mx * 3, 3) + 1) / 2, 0.0, 0.999);
    const Colour& colour =
        palette[static_cast<size_t>(shown * static_cast<double>(palette.size()))];
    const double joint = std::clamp((second - nearest) / size * 5, 0.0, 1.0);
    return Mix({0.08, 0.07, 0.06}, Mix({0, 0, 0}, colour, light), joint);
  });
}

// Bands that bend, from light to dark and back.
void PaintWaves(Canvas& canvas, Random& random, const std::vector<Colour>& palette) {
  const Noise bend(random.Bits()), foam(random.Bits());
  const double angle = random.Uniform(0, kPi), cosine = std::cos(angle), sine = std::sin(angle);
  canvas.Fill([&](double y, double x) {
    const double phase = 18 * (cosine * y + sine * x) + 9 * bend.Fractal(y * 2.5, x * 2.5, 3);
    const double at = (std::sin(phase) + 1) / 2 * static_cast<double>(palette.size() - 1);
    const auto first = std::min(static_cast<size_t>(at), palette.size() - 2);
    const Colour colour = Mix(palette[first], palette[first + 1], at - static_cast<double>(first));
    return Mix(colour, {1, 1, 1}, std::max(0.0, 2 * foam.Fractal(y * 40, x * 40, 2) - 0.6));
  });
}

// Ink on paper: lines in two directions, closer where it is dark.
void PaintHatching(Canvas& canvas, Random& random, const std::vector<Colour>& palette) {
  const Noise tone(random.Bits()), hand(random.Bits());
  const double pitch = 0.018;
  const Colour ink = Mix({0, 0, 0}, palette[0], 0.5), paper = Mix({1, 0.97, 0.9}, palette[1], 0.1);
  canvas.Fill([&](double y, double x) {
    const double dark = (tone.Fractal(y * 3, x * 3, 4) + 1) / 2,
                 shake = 0.3 * pitch * hand.Fractal(y * 20, x * 20, 2);
    double covered = 0;
    for (const double direction : {1.0, -1.0}) {
      const double across = (x + direction * y) / std::numbers::sqrt2 + shake,
                   away = std::abs(across / pitch - std::round(across / pitch)) * pitch,
                   thick = pitch * (direction > 0 ? 0.45 * dark : 0.6 * dark - 0.25);
      covered = std::max(covered, thick > 0 ? canvas.Inside(away - thick) : 0.0);
    }
    return Mix(paper, ink, covered);
  });
}

struct Style {
  std::string_view name;
  Painter paint;
  int colours;
};
constexpr Style kStyles[] = {{"strokes", PaintStrokes, 6},
                             {"mosaic", PaintMosaic, 7},
                             {"waves", PaintWaves, 5},
                             {"hatching", PaintHatching, 2}};

}  // namespace

Image SyntheticContent(uint64_t seed, int64_t height, int64_t width) {
  Random random(seed, 1);
  Canvas canvas(height, width);
  const Colour above = AnyColour(random), below = AnyColour(random), ground = AnyColour(random);
  const Noise noise(random.Bits());
  const double horizon = random.Uniform(0.3, 0.9) * canvas.height();
  canvas.Fill([&](double y, double x) {
    const double hill = horizon + 0.15 * noise.Fractal(7, x * 3, 3);
    const Colour sky =
        Mix(above, below, y / canvas.height() + 0.4 * noise.Fractal(y * 3, x * 3, 3));
    const Colour land = Mix({0, 0, 0}, ground, 0.9 + 0.6 * noise.Fractal(y * 12, x * 12, 4));
    return Mix(sky, land, canvas.Inside(hill - y));
  });
  const int64_t shapes = 4 + random.Below(12);
  for (int64_t i = 0; i < shapes; ++i) DrawShape(canvas, random);
  return canvas.ToImage();
}

const std::vector<std::string_view>& SyntheticStyles() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const Style& style : kStyles) all.push_back(style.name);
    return all;
  }();
  return names;
}

Image SyntheticStyle(std::string_view name, uint64_t seed, int64_t height, int64_t width) {
  for (const Style& style : kStyles) {
    if (style.name != name) continue;
    Random random(seed, 2);
    Canvas canvas(height, width);
    const std::vector<Colour> palette = Palette(random, style.colours);
    style.paint(canvas, random, palette);
    return canvas.ToImage();
  }
  Fail("style '{}' is none that is drawn here, expected {}{}", name,
       fmt::join(SyntheticStyles(), ", "),
       DidYouMean(name, {SyntheticStyles().begin(), SyntheticStyles().end()}));
}

}  // namespace normkit
