// Pictures as the bytes of a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "normkit/data/image.h"

namespace normkit {

inline constexpr int64_t kMaxPixels = int64_t{1} << 28;

// ReadImageInfo on bytes, of which the file's start is enough where it holds the header.
ImageInfo InfoOf(std::string_view bytes, const std::string& where);

// ReadImage on bytes; `where` (the path) begins every error.
Image DecodeImage(std::string_view bytes, int channels, const std::string& where);

// Pixels as stored, and the EXIF orientation (1 to 8) under which they want to be seen.
struct Decoded {
  Image image;
  int orientation = 1;
};
Decoded DecodeJpeg(std::string_view bytes, const std::string& where);
Decoded DecodePng(std::string_view bytes, const std::string& where);
Decoded DecodeWebp(std::string_view bytes, const std::string& where);  // of several the first
Decoded DecodeGif(std::string_view bytes, const std::string& where);   // of several the first
Decoded DecodeTiff(std::string_view bytes, const std::string& where);  // of several the first

// The same without pixels, from the header; `bytes` may be the start of a file. Throw Error where
// the header is not whole.
Decoded PeekJpeg(std::string_view bytes, const std::string& where);
Decoded PeekPng(std::string_view bytes, const std::string& where);
Decoded PeekWebp(std::string_view bytes, const std::string& where);
Decoded PeekGif(std::string_view bytes, const std::string& where);
Decoded PeekTiff(std::string_view bytes, const std::string& where);

// The endings under which pictures are expected: ".jpg", ... in lower case.
bool IsPictureEnding(std::string_view ending);
// Whether the first bytes of a file are those of a picture that is read here.
bool IsPicture(std::string_view bytes);
// "JPEG, PNG, ...", for messages.
std::string PictureKinds();

// The ending of a name in lower case, with its dot; "" without one.
std::string Ending(const std::string& path);

std::string EncodeJpeg(const Image& image, const std::string& where);
std::string EncodePng(const Image& image, const std::string& where);

// The orientation in EXIF data (a TIFF header and directory), 1 where there is none.
int ExifOrientation(std::string_view tiff);

// Throws Error where a picture of this size would take more than kMaxPixels.
void CheckPixels(int64_t height, int64_t width, const std::string& where);

// Throws Error where this many bytes cannot hold as many pixels of this kind of file.
void CheckDensity(int64_t height, int64_t width, int64_t per_byte, size_t bytes,
                  std::string_view kind, const std::string& where);

// `colours` interleaved channels and alpha, seen on white.
std::vector<uint8_t> OnWhite(const std::vector<uint8_t>& pixels, size_t colours);

// Throws Error that begins with `what` where sizes and pixels of an Image contradict each other.
void CheckImage(const Image& image, std::string_view what);

}  // namespace normkit
