#include "normkit/data/image.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/image_codec.h"

namespace normkit {
namespace {

constexpr std::string_view kJpeg = "\xff\xd8\xff", kPng = "\x89PNG\r\n\x1a\n";

// What the bytes of a file of another kind are, for the error.
std::string_view Guess(std::string_view bytes) {
  if (bytes.empty()) return "is empty";
  if (bytes.starts_with("GIF8")) return "is a GIF";
  if (bytes.starts_with("BM")) return "is a BMP";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return "is a WebP";
  if (bytes.starts_with("II*") || bytes.starts_with("MM")) return "is a TIFF";
  return "is no picture that is known here";
}

// Turns or mirrors the picture so that it is seen upright. EXIF 2.3, tag 0x0112.
Image Upright(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const int64_t height = image.height, width = image.width, channels = image.channels;
  const bool turned = orientation >= 5;
  Image out{turned ? width : height, turned ? height : width, channels, {}};
  out.pixels.resize(image.pixels.size());
  const bool from_bottom =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  auto to = out.pixels.begin();
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x) {
      int64_t row = turned ? x : y, column = turned ? y : x;
      if (from_bottom) row = height - 1 - row;
      if (from_right) column = width - 1 - column;
      to = std::copy_n(image.pixels.begin() + (row * width + column) * channels, channels, to);
    }
  return out;
}

// To 1 or 3 channels; luma of ITU-R BT.601.
Image WithChannels(Image image, int64_t channels) {
  if (channels == 0 || channels == image.channels) return image;
  const auto count = static_cast<size_t>(image.height * image.width);
  std::vector<uint8_t> pixels(count * static_cast<size_t>(channels));
  for (size_t i = 0; i < count; ++i) {
    if (channels == 3) {
      std::fill_n(&pixels[i * 3], 3, image.pixels[i]);
    } else {
      const uint8_t* rgb = &image.pixels[i * 3];
      pixels[i] = static_cast<uint8_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
    }
  }
  image.pixels = std::move(pixels);
  image.channels = channels;
  return image;
}

uint32_t TiffNumber(std::string_view bytes, bool little) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t at = little ? bytes.size() - 1 - i : i;
    value = value << 8 | static_cast<unsigned char>(bytes[at]);
  }
  return value;
}

// The ending in lower case, with its dot.
std::string Ending(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& letter : ending)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return ending;
}

}  // namespace

int ExifOrientation(std::string_view tiff) {
  const bool little = tiff.starts_with("II");
  const auto number = [&](size_t at, size_t size) {
    return at <= tiff.size() && size <= tiff.size() - at ? TiffNumber(tiff.substr(at, size), little)
                                                         : 0;
  };
  if (!(little || tiff.starts_with("MM")) || number(2, 2) != 42) return 1;
  const size_t directory = number(4, 4), entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (number(entry, 2) != 0x0112) continue;
    const uint32_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

void CheckPixels(int64_t height, int64_t width, const std::string& where) {
  if (height > kMaxPixels / std::max<int64_t>(1, width))
    Fail("{}: has {} x {} pixels, expected at most {} in all", where, width, height, kMaxPixels);
}

void CheckImage(const Image& image, std::string_view what) {
  const bool sizes = image.height > 0 && image.width > 0 &&
                     (image.channels == 1 || image.channels == 3) &&
                     image.height <= kMaxPixels / image.width;
  if (!sizes ||
      static_cast<int64_t>(image.pixels.size()) != image.height * image.width * image.channels)
    Fail(
        "{}: a picture of {} x {} pixels, {} channels, {} bytes is given, expected 1 or 3 "
        "channels and as many bytes, at most {} pixels",
        what, image.width, image.height, image.channels, image.pixels.size(), kMaxPixels);
}

Image DecodeImage(std::string_view bytes, int channels, const std::string& where) {
  if (channels != 0 && channels != 1 && channels != 3)
    Fail("{}: {} channels are asked for, expected 1, 3 or 0 (the file's own)", where, channels);
  Decoded decoded;
  if (bytes.starts_with(kJpeg))
    decoded = DecodeJpeg(bytes, where);
  else if (bytes.starts_with(kPng))
    decoded = DecodePng(bytes, where);
  else
    Fail("{}: {}, expected a JPEG or PNG", where, Guess(bytes));
  return WithChannels(Upright(std::move(decoded.image), decoded.orientation), channels);
}

Image ReadImage(const std::string& path, int channels) {
  return DecodeImage(ReadFile(path), channels, path);
}

void WriteImage(const std::string& path, const Image& image) {
  CheckImage(image, path);
  const std::string ending = Ending(path);
  if (ending == ".png")
    WriteFile(path, EncodePng(image, path));
  else if (ending == ".jpg" || ending == ".jpeg")
    WriteFile(path, EncodeJpeg(image, path));
  else
    Fail("{}: the ending is '{}', expected .png, .jpg or .jpeg", path, ending);
}

}  // namespace normkit
