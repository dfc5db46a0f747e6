// Pictures in files: JPEG, PNG, WebP, GIF and TIFF.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"

namespace normkit {

// 8-bit pixels, rows top to bottom, channels interleaved; 1 (grey) or 3 (RGB) channels.
struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;
};

// Reads JPEG, PNG, WebP, GIF or TIFF by content; of several pictures in one file the first. 16-bit,
// palette and interlaced PNGs and CMYK JPEGs are converted, transparent pixels are seen on white,
// the EXIF orientation is applied. Colours of an embedded profile (ICC; of JPEG, PNG, WebP and
// TIFF) become those of sRGB, relative colorimetric with black point compensation; where no colour
// would move by more than 1 of 255 pixels stay as they are. A profile that is damaged, of other
// colours than the pixels or larger than 4 MiB is ignored, which a line on stderr says; PNG's gAMA
// and cHRM are ignored too. channels: 1 (luma of ITU-R BT.601), 3, or 0 for the file's own. Throws
// Error on anything else, on damaged or truncated files, and on more than 2^28 pixels.
NORMKIT_API Image ReadImage(const std::string& path, int channels = 0);
// What ReadImage gives, from the header of the file: nothing is decoded. Throws Error on files that
// are no pictures and on damaged headers.
struct ImageInfo {
  int64_t height = 0, width = 0, channels = 0;
};
NORMKIT_API ImageInfo ReadImageInfo(const std::string& path);
// By the ending of the name: .png, .jpg, .jpeg (quality 95, full colour resolution); without a
// profile, which means sRGB. Throws Error where the sizes contradict each other or the file cannot
// be written.
NORMKIT_API void WriteImage(const std::string& path, const Image& image);
// Area average when shrinking, bilinear when growing, each axis by itself; rounds to nearest.
NORMKIT_API Image Resize(const Image& image, int64_t height, int64_t width);

}  // namespace normkit
