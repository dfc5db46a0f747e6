// Pictures changed by chance while they are trained on.
#pragma once

#include <cstdint>
#include <span>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"

namespace normkit {

// How much of each; 0: not at all. What is drawn depends on the seed, the epoch and the observation
// only.
struct Augmentation {
  double flip = 0;    // the chance of left and right being exchanged
  double crop = 0;    // up to this part of both sides is cut off, and the rest made as large again
  double shift = 0;   // up to this part of each side, either way
  double scale = 0;   // larger or smaller by up to this part
  double rotate = 0;  // degrees, either way
  double erase = 0;   // in half of the pictures a rectangle, each side of which is up to this part
                      // of theirs, is filled with their mean
  bool any() const { return *this != Augmentation(); }
  bool operator==(const Augmentation&) const = default;
};

// Changes pictures x, [indices, H, W, C] in `layout` ("BSSC"), in place, as `epoch` (from 1) of a
// training has them; they are the observations `indices` of their data. Pixels between pixels are
// interpolated (bilinear), those outside are the nearest of the border.
NORMKIT_API void Augment(const Augmentation& augmentation, const Layout& layout,
                         std::span<const int64_t> indices, uint64_t seed, int64_t epoch,
                         std::span<float> x);

}  // namespace normkit
