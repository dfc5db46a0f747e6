// Windows that slide over images: what convolution and pooling share.
#pragma once

#include "src/ops/ops.h"

namespace normkit::ops {

// Padding as numbers. "Same" keeps size / stride, rounded up, with the odd zero below and right.
struct WindowPadding {
  int64_t top, bottom, left, right;
};

// Of x [B,H,W,C]. Throws where the window is larger than the padded input.
WindowPadding ResolvePadding(const Window& window, const Layout& x);

// [B,H',W',C'] with the labels of x.
Layout WindowOutput(const Layout& x, int64_t height, int64_t width, int64_t channels);

}  // namespace normkit::ops
