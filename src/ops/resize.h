// Resizing, as ONNX says it.
#pragma once

#include <vector>

#include "src/ops/ops.h"

namespace normkit::ops {

struct ResizeSettings {
  enum Mode { kNearest, kLinear, kCubic };
  // Which place in x is that of element i of y: x = f(i), with scale = size of y / size of x.
  enum Coordinates {
    kHalfPixel,           // (i + 0.5) / scale - 0.5
    kHalfPixelSymmetric,  // the same about the middle, where the size is not scale times x's
    kPytorchHalfPixel,    // the same; 0 where y has one element
    kAlignCorners,        // i (size of x - 1) / (size of y - 1)
    kAsymmetric,          // i / scale
    kTfHalfPixel,         // (i + 0.5) / scale
  };
  enum Rounding { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };

  Mode mode = kNearest;
  Coordinates coordinates = kHalfPixel;
  Rounding rounding = kRoundPreferFloor;
  double cubic = -0.75;          // the cubic's coefficient (Keys 1981)
  bool exclude_outside = false;  // weights outside are 0, the others grow
  std::vector<int> axes;         // of x, in the order of the numbers of the second input
};

// x f32, and known f32 scales or i64 sizes.
OpPtr Resize(const ResizeSettings& settings);

}  // namespace normkit::ops
