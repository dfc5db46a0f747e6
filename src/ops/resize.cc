#include "src/ops/resize.h"

#include <algorithm>
#include <cmath>

#include "src/core/fail.h"
#include "src/ops/index_map.h"
#include "src/ops/known.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

// One axis: from how many elements to how many, and the scale that places are computed with.
struct ResizedAxis {
  int64_t from, to;
  float scale;
};

// In f32, as runtimes compute it: where a place lies half way between two elements, f64 would see
// the rounding of the scale and choose the other.
float PlaceOf(const ResizeSettings& s, const ResizedAxis& axis, int64_t i) {
  const auto at = static_cast<float>(i), from = static_cast<float>(axis.from),
             to = static_cast<float>(axis.to);
  switch (s.coordinates) {
    case ResizeSettings::kHalfPixel:
      break;
    case ResizeSettings::kHalfPixelSymmetric: {
      const float adjusted = to / (axis.scale * from);
      return from / 2 * (1 - adjusted) + (at + 0.5f) / axis.scale - 0.5f;
    }
    case ResizeSettings::kPytorchHalfPixel:
      if (axis.to == 1) return 0;
      break;
    case ResizeSettings::kAlignCorners:
      return axis.to == 1 ? 0 : at * (from - 1) / (to - 1);
    case ResizeSettings::kAsymmetric:
      return at / axis.scale;
    case ResizeSettings::kTfHalfPixel:
      return (at + 0.5f) / axis.scale;
  }
  return (at + 0.5f) / axis.scale - 0.5f;
}

int64_t Rounded(ResizeSettings::Rounding rounding, float place) {
  switch (rounding) {
    case ResizeSettings::kRoundPreferFloor:
      return static_cast<int64_t>(std::ceil(place - 0.5f));
    case ResizeSettings::kRoundPreferCeil:
      return static_cast<int64_t>(std::floor(place + 0.5f));
    case ResizeSettings::kFloor:
      return static_cast<int64_t>(std::floor(place));
    case ResizeSettings::kCeil:
      break;
  }
  return static_cast<int64_t>(std::ceil(place));
}

// Of elements [begin, end) of y.
std::vector<int64_t> NearestMap(const ResizeSettings& s, const ResizedAxis& axis, int64_t begin,
                                int64_t end) {
  std::vector<int64_t> map;
  for (int64_t i = begin; i < end; ++i)
    map.push_back(std::clamp<int64_t>(Rounded(s.rounding, PlaceOf(s, axis, i)), 0, axis.from - 1));
  return map;
}

// What each element of y is made of along one axis: `taps` elements of x, weighted.
struct Taps {
  int64_t taps;
  std::vector<int64_t> from;  // [to, taps]
  std::vector<float> weights;
};

// Of the four neighbours, at a distance d behind the second (Keys 1981).
std::array<double, 4> CubicWeights(double a, double d) {
  const auto near = [a](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [a](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(1 + d), near(d), near(1 - d), far(2 - d)};
}

Taps MakeTaps(const ResizeSettings& s, const ResizedAxis& axis) {
  const bool cubic = s.mode == ResizeSettings::kCubic;
  Taps taps{cubic ? 4 : 2, {}, {}};
  for (int64_t i = 0; i < axis.to; ++i) {
    float place = PlaceOf(s, axis, i);
    if (!cubic) place = std::clamp(place, 0.f, static_cast<float>(axis.from - 1));
    const auto first = static_cast<int64_t>(std::floor(place));
    const double d = place - static_cast<float>(first);
    const auto four = CubicWeights(s.cubic, d);
    std::vector<double> weights =
        cubic ? std::vector<double>(four.begin(), four.end()) : std::vector<double>{1 - d, d};
    double sum = 0;
    for (int64_t k = 0; k < taps.taps; ++k) {
      const int64_t at = first + k - (cubic ? 1 : 0);
      double& weight = weights[static_cast<size_t>(k)];
      if (s.exclude_outside && (at < 0 || at >= axis.from)) weight = 0;
      taps.from.push_back(std::clamp<int64_t>(at, 0, axis.from - 1));
      sum += weight;
    }
    for (const double weight : weights)
      taps.weights.push_back(static_cast<float>(s.exclude_outside ? weight / sum : weight));
  }
  return taps;
}

// Along one axis after the other: [outer, from, inner] -> [outer, to, inner].
class ResampleKernel : public Kernel {
 public:
  ResampleKernel(const ResizeSettings& settings, const std::vector<ResizedAxis>& axes) {
    std::vector<int64_t> shape;
    for (const ResizedAxis& axis : axes) shape.push_back(axis.from);
    x_size_ = Product(shape);
    for (size_t i = axes.size(); i-- > 0;) {
      if (axes[i].from == axes[i].to && axes[i].scale == 1) continue;
      Pass pass{1, 1, axes[i], MakeTaps(settings, axes[i])};
      for (size_t k = 0; k < axes.size(); ++k) (k < i ? pass.outer : pass.inner) *= shape[k];
      pass.inner /= axes[i].from;
      shape[i] = axes[i].to;
      passes_.push_back(std::move(pass));
    }
  }
  bool needs_input(size_t) const override { return false; }
  size_t forward_scratch_bytes() const override { return ScratchBytes(); }
  size_t backward_scratch_bytes() const override { return ScratchBytes(); }

  void Forward(const ForwardContext& context) override {
    const float* from = context.x();
    if (passes_.empty()) {
      std::copy_n(from, x_size_, context.y());
      return;
    }
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    for (size_t p = 0; p < passes_.size(); ++p) {
      float* to = p + 1 == passes_.size() ? context.y() : scratch;
      Run(passes_[p], from, to);
      from = to;
      scratch += passes_[p].y_size();
    }
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    if (passes_.empty())
      return Store(context.dx(), 0, x_size_, context.add[0],
                   [&](int64_t i) { return context.dy()[i]; });
    const float* dy = context.dy();
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    for (size_t p = passes_.size(); p-- > 0;) {
      float* dx = p == 0 ? context.dx() : scratch;
      if (p > 0 || !context.add[0]) std::fill_n(dx, passes_[p].x_size(), 0.f);
      RunBack(passes_[p], dy, dx);
      dy = dx;
      scratch += passes_[p].x_size();
    }
  }

 private:
  struct Pass {
    int64_t outer, inner;
    ResizedAxis axis;
    Taps taps;
    int64_t x_size() const { return outer * axis.from * inner; }
    int64_t y_size() const { return outer * axis.to * inner; }
  };

  // What all passes but the last give.
  size_t ScratchBytes() const {
    int64_t floats = 0;
    for (size_t p = 0; p + 1 < passes_.size(); ++p) floats += passes_[p].y_size();
    return static_cast<size_t>(floats) * sizeof(float);
  }

  static void Run(const Pass& pass, const float* x, float* y) {
    const Taps& taps = pass.taps;
    ForRowPieces(pass.outer * pass.axis.to, pass.inner, [&](int64_t row) {
      const int64_t o = row / pass.axis.to, tap = row % pass.axis.to * taps.taps;
      const float* plane = x + o * pass.axis.from * pass.inner;
      for (int64_t k = 0; k < taps.taps; ++k) {
        const float weight = taps.weights[static_cast<size_t>(tap + k)];
        const float* from = plane + taps.from[static_cast<size_t>(tap + k)] * pass.inner;
        Store(y + row * pass.inner, 0, pass.inner, k > 0,
              [=](int64_t i) { return weight * from[i]; });
      }
    });
  }

  static void RunBack(const Pass& pass, const float* dy, float* dx) {
    const Taps& taps = pass.taps;
    ForRowPieces(pass.outer, pass.axis.to * pass.inner, [&](int64_t o) {
      float* plane = dx + o * pass.axis.from * pass.inner;
      for (int64_t i = 0; i < pass.axis.to; ++i) {
        const float* from = dy + (o * pass.axis.to + i) * pass.inner;
        for (int64_t k = 0; k < taps.taps; ++k) {
          const auto tap = static_cast<size_t>(i * taps.taps + k);
          Store(plane + taps.from[tap] * pass.inner, 0, pass.inner, true,
                [&, weight = taps.weights[tap]](int64_t j) { return weight * from[j]; });
        }
      }
    });
  }

  std::vector<Pass> passes_;
  int64_t x_size_;
};

class ResizeOp : public Op {
 public:
  explicit ResizeOp(const ResizeSettings& settings) : settings_(settings) {}
  std::string_view name() const override { return "resize"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    std::vector<Axis> axes = inputs[0].type.shape.axes();
    const std::vector<ResizedAxis> resized = Axes(inputs);
    for (size_t i = 0; i < axes.size(); ++i) axes[i].size = resized[i].to;
    return {{inputs[0].type.dtype, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    const std::vector<ResizedAxis> axes = Axes(inputs);
    if (settings_.mode != ResizeSettings::kNearest)
      return std::make_unique<ResampleKernel>(settings_, axes);
    IndexMaps maps;
    for (const ResizedAxis& axis : axes) maps.push_back(NearestMap(settings_, axis, 0, axis.to));
    return MakeIndexMap(maps, inputs[0].type);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    if (settings_.mode != ResizeSettings::kNearest) return std::nullopt;
    const std::vector<ResizedAxis> axes = Axes(inputs);
    IndexMaps maps;
    for (size_t i = 0; i < axes.size(); ++i)
      maps.push_back(NearestMap(settings_, axes[i], y.begin[i], y.end(i)));
    return IndexMapPiece(std::move(maps), inputs.first(1), y);
  }

 private:
  static constexpr double kMost = 1 << 24;

  std::vector<ResizedAxis> Axes(std::span<const OpInput> inputs) const {
    const Layout& x = inputs[0].type.shape;
    const ArrayType& type = inputs[1].type;
    if (!inputs[1].known) Fail("sizes are not known before anything runs, expected a constant");
    if (type.shape.size() != std::ssize(settings_.axes))
      Fail("{} sizes given, expected {}", type.shape.size(), settings_.axes.size());
    std::vector<ResizedAxis> axes;
    for (const Axis& axis : x.axes()) axes.push_back({axis.size, axis.size, 1});
    for (size_t i = 0; i < settings_.axes.size(); ++i)
      SetSize(inputs[1], i, axes[static_cast<size_t>(settings_.axes[i])]);
    return axes;
  }

  static void SetSize(const OpInput& sizes, size_t i, ResizedAxis& axis) {
    const auto from = static_cast<double>(axis.from);
    if (axis.from < 1) Fail("an axis of {} elements is resized, expected one or more", axis.from);
    if (sizes.type.dtype == DType::kI64) {
      axis.to = static_cast<const int64_t*>(sizes.known)[i];
      axis.scale = static_cast<float>(axis.to) / static_cast<float>(axis.from);
      if (axis.to < 1 || static_cast<double>(axis.to) > kMost)
        Fail("size {} asked for, expected 1 to {}", axis.to, kMost);
      return;
    }
    const float scale = static_cast<const float*>(sizes.known)[i];
    if (!(scale > 0) || !(scale * from < kMost) || scale * from < 1)
      Fail("scale {} for {} elements asked for, expected one that leaves 1 to {}", scale, axis.from,
           kMost);
    axis.scale = scale;
    axis.to = static_cast<int64_t>(std::floor(static_cast<float>(from) * scale));
  }

  ResizeSettings settings_;
};

}  // namespace

OpPtr Resize(const ResizeSettings& settings) { return std::make_shared<ResizeOp>(settings); }

}  // namespace normkit::ops
