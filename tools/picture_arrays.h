// Pictures as arrays and back, for the commands that go between them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/data/image.h"
#include "normkit/data/npy.h"

namespace normkit::tools {

// "nchw", "chw", "nhwc", "hwc": 1 picture, channels, height, width.
const std::vector<std::string>& PictureLayouts();

// The pixels in f32, times `scale`.
NpyArray ToArray(const Image& image, const std::string& layout, double scale);

struct CutPicture {
  Image image;
  int64_t beyond = 0;  // values that were cut off
};
// scale * value + shift, rounded to whole numbers from 0 to 255; what lies beyond is cut off, NaN
// is black. Throws Error that begins with `where` for anything but one picture of 1 or 3 channels.
CutPicture ToImage(NpyArray array, const std::string& layout, double scale, double shift,
                   const std::string& where);

}  // namespace normkit::tools
