// Windows that slide over space: what convolution and pooling share.
#pragma once

#include "src/ops/ops.h"

namespace normkit::ops {

// A window over the space of x [B, space, C]: a number for each dimension, padding as numbers.
// "Same" keeps size / stride, rounded up, with the odd zero behind.
struct PlacedWindow {
  Space x, size, stride, dilation, before, after;
  Space counts() const { return WindowCounts(x, before, after, size, stride, dilation); }
};

// The same for windows that may be larger than x: of transposed convolutions.
PlacedWindow PlaceAnywhere(const Window& window, const Layout& x);

// Throws where the window is larger than the padded input.
PlacedWindow Place(const Window& window, const Layout& x);

// Where a window that gives outputs [begin, begin + count) along one axis lies in x: elements
// [first, first + size), and how many of its own stand before and after them.
struct WindowReach {
  int64_t first, size, before, after;
};
WindowReach ReachOf(const PlacedWindow& window, size_t axis, int64_t begin, int64_t count);

// [B, space, channels] with the labels of x.
Layout WithSpace(const Layout& x, const Space& space, int64_t channels);

}  // namespace normkit::ops
