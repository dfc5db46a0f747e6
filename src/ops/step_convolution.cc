#include "src/ops/step_convolution.h"

#include <algorithm>
#include <array>

#include "src/ops/tap_convolution.h"

namespace normkit::ops {
namespace {

class SpaceTaps {
 public:
  SpaceTaps(const ConvolutionShape& shape, const TimeRows& time)
      : time_(time), dims_(shape.dims()) {
    const Space y = shape.output_size();
    for (size_t i = 0; i < dims_; ++i)
      axes_[i] = {shape.size[i],     y[i],           shape.filter_size[i], shape.stride[i],
                  shape.dilation[i], shape.before[i]};
    x_positions_ = Product(shape.size);
    y_positions_ = Product(y);
  }
  int64_t x_rows() const { return time_.rows() * x_positions_; }
  int64_t y_rows() const { return time_.rows() * y_positions_; }
  bool Idle() const { return time_.Idle(); }

  template <class F>
  void ForSources(bool back, int64_t tap, int64_t first, int64_t last, const F& f) const {
    const Place taps = PlaceOf(tap, [](const SpaceAxis& axis) { return axis.window; });
    const auto size = [&](const SpaceAxis& axis) { return back ? axis.x : axis.y; };
    const SpaceAxis& line = axes_[dims_ - 1];
    for (int64_t row = first; row < last;) {
      const int64_t positions = back ? x_positions_ : y_positions_;
      const Place place = PlaceOf(row % positions, size);
      int64_t begin = row / positions;  // of the line that is read; -1: there is none
      for (size_t i = 0; i + 1 < dims_ && begin >= 0; ++i) {
        const int64_t at = Source(axes_[i], back, taps[i], place[i]);
        begin = at < 0 ? -1 : begin * (back ? axes_[i].y : axes_[i].x) + at;
      }
      const int64_t end = std::min(last, row + size(line) - place[dims_ - 1]);
      for (int64_t along = place[dims_ - 1]; row < end; ++row, ++along) {
        const int64_t at = Source(line, back, taps[dims_ - 1], along);
        f(row, begin < 0 || at < 0 ? -1 : begin * (back ? line.y : line.x) + at);
      }
    }
  }

 private:
  struct SpaceAxis {
    int64_t x, y, window, stride, dilation, before;
  };
  using Place = std::array<int64_t, 3>;

  // The element of x that tap `tap` reads for element `at` of y; `back`, of y that reads element
  // `at` of x by it.
  static int64_t Source(const SpaceAxis& axis, bool back, int64_t tap, int64_t at) {
    const int64_t reach = tap * axis.dilation - axis.before;
    if (!back) {
      const int64_t x = at * axis.stride + reach;
      return x >= 0 && x < axis.x ? x : -1;
    }
    const int64_t begin = at - reach;
    if (begin < 0 || begin % axis.stride != 0) return -1;
    return begin / axis.stride < axis.y ? begin / axis.stride : -1;
  }

  template <class Size>
  Place PlaceOf(int64_t index, const Size& size) const {
    Place place{};
    for (size_t i = dims_; i-- > 0;) {
      place[i] = index % size(axes_[i]);
      index /= size(axes_[i]);
    }
    return place;
  }

  TimeRows time_;
  size_t dims_;
  std::array<SpaceAxis, 3> axes_{};  // the outermost first
  int64_t x_positions_ = 1, y_positions_ = 1;
};

}  // namespace

std::unique_ptr<Kernel> MakeStepConvolution(const ConvolutionShape& shape, const TimeRows& time,
                                            const Preparation& how) {
  return std::make_unique<TapConvolutionKernel<SpaceTaps>>(
      TapShape{shape.channels, shape.filters, Product(shape.filter_size), shape.groups},
      SpaceTaps(shape, time), how);
}

}  // namespace normkit::ops
