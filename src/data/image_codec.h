// Pictures as the bytes of a file.
#pragma once

#include <string>
#include <string_view>

#include "normkit/data/image.h"

namespace normkit {

inline constexpr int64_t kMaxPixels = int64_t{1} << 28;

// ReadImage on bytes; `where` (the path) begins every error.
Image DecodeImage(std::string_view bytes, int channels, const std::string& where);

// Pixels as stored, and the EXIF orientation (1 to 8) under which they want to be seen.
struct Decoded {
  Image image;
  int orientation = 1;
};
Decoded DecodeJpeg(std::string_view bytes, const std::string& where);
Decoded DecodePng(std::string_view bytes, const std::string& where);

std::string EncodeJpeg(const Image& image, const std::string& where);
std::string EncodePng(const Image& image, const std::string& where);

// The orientation in EXIF data (a TIFF header and directory), 1 where there is none.
int ExifOrientation(std::string_view tiff);

// Throws Error where a picture of this size would take more than kMaxPixels.
void CheckPixels(int64_t height, int64_t width, const std::string& where);

// Throws Error that begins with `what` where sizes and pixels of an Image contradict each other.
void CheckImage(const Image& image, std::string_view what);

}  // namespace normkit
