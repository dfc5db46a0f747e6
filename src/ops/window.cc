#include "src/ops/window.h"

#include <algorithm>

#include "src/core/fail.h"

namespace normkit::ops {
namespace {

// Zeros before and after one dimension that make ceil(input / stride) windows.
std::array<int64_t, 2> SamePadding(int64_t input, int64_t size, int64_t stride, int64_t dilation) {
  const int64_t outputs = (input + stride - 1) / stride;
  const int64_t total =
      std::max<int64_t>(0, (outputs - 1) * stride + (size - 1) * dilation + 1 - input);
  return {total / 2, total - total / 2};
}

WindowPadding PaddingOf(const Window& window, int64_t height, int64_t width) {
  const auto& [same, top, bottom, left, right] = window.padding;
  if (!same) return {top, bottom, left, right};
  const auto vertical = SamePadding(height, window.size[0], window.stride[0], window.dilation[0]);
  const auto horizontal = SamePadding(width, window.size[1], window.stride[1], window.dilation[1]);
  return {vertical[0], vertical[1], horizontal[0], horizontal[1]};
}

}  // namespace

WindowPadding ResolvePadding(const Window& window, const Layout& x) {
  const WindowPadding padding = PaddingOf(window, x.axes()[1].size, x.axes()[2].size);
  const int64_t height = x.axes()[1].size + padding.top + padding.bottom;
  const int64_t width = x.axes()[2].size + padding.left + padding.right;
  const int64_t window_height = (window.size[0] - 1) * window.dilation[0] + 1;
  const int64_t window_width = (window.size[1] - 1) * window.dilation[1] + 1;
  if (window_height > height || window_width > width)
    Fail("the window covers {}x{}, expected at most the padded input, {}x{} ({})", window_height,
         window_width, height, width, x.ToString());
  return padding;
}

Layout WindowOutput(const Layout& x, int64_t height, int64_t width, int64_t channels) {
  std::vector<Axis> axes = x.axes();
  axes[1].size = height;
  axes[2].size = width;
  axes[3].size = channels;
  return Layout(std::move(axes));
}

}  // namespace normkit::ops
