#include "src/nn/layers/window.h"

#include <algorithm>

namespace normkit {
namespace {

// Zeros before and after one dimension that make ceil(input / stride) windows.
std::array<int64_t, 2> SamePadding(int64_t input, int64_t size, int64_t stride, int64_t dilation) {
  const int64_t outputs = (input + stride - 1) / stride;
  const int64_t total =
      std::max<int64_t>(0, (outputs - 1) * stride + (size - 1) * dilation + 1 - input);
  return {total / 2, total - total / 2};
}

std::string Pair(const std::array<int64_t, 2>& values) {
  return values[0] == values[1] ? fmt::format("{}", values[0])
                                : fmt::format("{}x{}", values[0], values[1]);
}

}  // namespace

WindowPadding ResolvePadding(const Padding& padding, const ImageShape& x,
                             const std::array<int64_t, 2>& size,
                             const std::array<int64_t, 2>& stride,
                             const std::array<int64_t, 2>& dilation) {
  if (!padding.same) return {padding.top, padding.bottom, padding.left, padding.right};
  const auto vertical = SamePadding(x.height, size[0], stride[0], dilation[0]);
  const auto horizontal = SamePadding(x.width, size[1], stride[1], dilation[1]);
  return {vertical[0], vertical[1], horizontal[0], horizontal[1]};
}

void CheckWindowFits(const Layer& layer, const Layout& x, const std::array<int64_t, 2>& size,
                     const std::array<int64_t, 2>& dilation, const WindowPadding& padding) {
  const ImageShape image(x);
  const int64_t height = image.height + padding.top + padding.bottom;
  const int64_t width = image.width + padding.left + padding.right;
  const int64_t window_height = (size[0] - 1) * dilation[0] + 1;
  const int64_t window_width = (size[1] - 1) * dilation[1] + 1;
  if (window_height > height || window_width > width)
    FailLayer(layer, "the window covers {}x{}, expected at most the padded input, {}x{} ({})",
              window_height, window_width, height, width, x.ToString());
}

std::string DescribeWindow(const std::array<int64_t, 2>& size, const std::array<int64_t, 2>& stride,
                           const Padding& padding) {
  std::string text = fmt::format("{}x{}, stride {}", size[0], size[1], Pair(stride));
  if (padding.same) return text + ", padding same";
  const auto& [same, top, bottom, left, right] = padding;
  if (top == bottom && top == left && top == right) return text + fmt::format(", padding {}", top);
  return text + fmt::format(", padding {} {} {} {}", top, bottom, left, right);
}

}  // namespace normkit
