// Pictures and the arrays that networks read: [H,W,3], f32.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "normkit/data/image.h"
#include "normkit/ops/op.h"

namespace normkit {

// What a network means by a pixel.
struct PixelMeaning {
  bool bgr = false;
  float largest = 255;  // the value of white
};

// `values` [H,W,3].
void ToValues(const Image& image, const PixelMeaning& meaning, std::span<float> values);
// Rounded to the nearest of 0 to 255; what lies beyond is cut off, NaN is black.
Image FromValues(std::span<const float> values, int64_t height, int64_t width,
                 const PixelMeaning& meaning);

// The same for a box of [1,H,W,3] or, not `channels_last`, [1,3,H,W]. Behind its end the picture is
// mirrored.
void ToBox(const Image& image, const PixelMeaning& meaning, bool channels_last, const Box& box,
           float* to);
// What lies behind the end of the picture is left out.
void FromBox(const float* from, const PixelMeaning& meaning, bool channels_last, const Box& box,
             Image& image);

// The part of a picture that begins at this row and column.
Image CutFrom(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width);

// strength x styled + (1 - strength) x content, of one size.
Image Mixed(const Image& content, const Image& styled, double strength);
// The brightness of one picture and the colours of another: Y of the first, Cb and Cr of the second
// (ITU-R BT.601).
Image WithColours(const Image& brightness, const Image& colours);
Image SideBySide(const Image& left, const Image& right);

// The sizes at which the longer side has `longer` pixels; 0: as they are.
Image LongerSide(const Image& image, int64_t longer);

}  // namespace normkit
