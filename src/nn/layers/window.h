// Windows that slide over images: what convolution and pooling share.
#pragma once

#include <array>

#include "src/nn/layers/common.h"

namespace normkit {

// Padding as numbers. "Same" keeps size / stride, rounded up, with the odd zero below and right.
struct WindowPadding {
  int64_t top, bottom, left, right;
};
WindowPadding ResolvePadding(const Padding& padding, const ImageShape& x,
                             const std::array<int64_t, 2>& size,
                             const std::array<int64_t, 2>& stride,
                             const std::array<int64_t, 2>& dilation);

// Throws where the window is larger than the padded input.
void CheckWindowFits(const Layer& layer, const Layout& x, const std::array<int64_t, 2>& size,
                     const std::array<int64_t, 2>& dilation, const WindowPadding& padding);

// "3x3, stride 2, padding same": for Layer::Description.
std::string DescribeWindow(const std::array<int64_t, 2>& size, const std::array<int64_t, 2>& stride,
                           const Padding& padding);

}  // namespace normkit
