#include "normkit/data/image.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/file_kind.h"
#include "src/data/image_codec.h"

namespace normkit {
namespace {

using std::string_view_literals::operator""sv;

// A kind of picture: how its files begin and usually end, and what reads it.
struct Codec {
  std::string_view name;
  bool (*begins)(std::string_view bytes);
  Decoded (*decode)(std::string_view bytes, const std::string& where);
  Decoded (*peek)(std::string_view bytes, const std::string& where);
  std::vector<std::string_view> endings;
};

const std::vector<Codec>& Codecs() {
  static const std::vector<Codec> codecs = {
      {"JPEG",
       [](std::string_view bytes) { return bytes.starts_with("\xff\xd8\xff"); },
       DecodeJpeg,
       PeekJpeg,
       {".jpg", ".jpeg", ".jpe", ".jfif"}},
      {"PNG",
       [](std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); },
       DecodePng,
       PeekPng,
       {".png"}},
      {"WebP",
       [](std::string_view bytes) {
         return bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP");
       },
       DecodeWebp,
       PeekWebp,
       {".webp"}},
      {"GIF",
       [](std::string_view bytes) {
         return bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a");
       },
       DecodeGif,
       PeekGif,
       {".gif"}},
      {"TIFF",
       [](std::string_view bytes) {
         const std::string_view start = bytes.substr(0, 4);
         return start == "II*\0"sv || start == "MM\0*"sv || start == "II+\0"sv ||
                start == "MM\0+"sv;
       },
       DecodeTiff,
       PeekTiff,
       {".tif", ".tiff"}},
  };
  return codecs;
}

const Codec* FindCodec(std::string_view bytes) {
  for (const Codec& codec : Codecs())
    if (codec.begins(bytes)) return &codec;
  return nullptr;
}

// Throws Error where the bytes are of another kind.
const Codec& CodecOf(std::string_view bytes, const std::string& where) {
  if (const Codec* codec = FindCodec(bytes)) return *codec;
  const std::string_view kind = FileKind(bytes);
  Fail("{}: is {}, expected a picture ({})", where,
       kind.empty() ? "of a kind that is not known here" : kind, PictureKinds());
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

}  // namespace

std::string Ending(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& letter : ending)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return ending;
}

bool IsPictureEnding(std::string_view ending) {
  for (const Codec& codec : Codecs())
    if (std::find(codec.endings.begin(), codec.endings.end(), ending) != codec.endings.end())
      return true;
  return false;
}

bool IsPicture(std::string_view bytes) { return FindCodec(bytes) != nullptr; }

std::string PictureKinds() {
  std::vector<std::string_view> names;
  for (const Codec& codec : Codecs()) names.push_back(codec.name);
  const std::string_view last = names.back();
  names.pop_back();
  return fmt::format("{} or {}", fmt::join(names, ", "), last);
}

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

std::vector<uint8_t> OnWhite(const std::vector<uint8_t>& pixels, size_t colours) {
  const size_t count = pixels.size() / (colours + 1);
  std::vector<uint8_t> out(count * colours);
  for (size_t pixel = 0; pixel < count; ++pixel) {
    const uint8_t* in = &pixels[pixel * (colours + 1)];
    const int alpha = in[colours];
    for (size_t i = 0; i < colours; ++i)
      out[pixel * colours + i] =
          static_cast<uint8_t>((in[i] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  return out;
}

ImageInfo InfoOf(std::string_view bytes, const std::string& where) {
  const Decoded header = CodecOf(bytes, where).peek(bytes, where);
  const auto& [height, width, channels, none] = header.image;
  CheckPixels(height, width, where);
  const bool turned = header.orientation >= 5 && header.orientation <= 8;
  return {turned ? width : height, turned ? height : width, channels};
}

void CheckPixels(int64_t height, int64_t width, const std::string& where) {
  if (height > kMaxPixels / std::max<int64_t>(1, width))
    Fail("{}: has {} x {} pixels, expected at most {} in all", where, width, height, kMaxPixels);
}

void CheckDensity(int64_t height, int64_t width, int64_t per_byte, size_t bytes,
                  std::string_view kind, const std::string& where) {
  constexpr int64_t kAlways = int64_t{1} << 22;  // pixels of any file, however few its bytes are
  if (height * width > kAlways && height * width / per_byte > static_cast<int64_t>(bytes))
    Fail("{}: damaged {}: {} x {} pixels do not fit {} bytes", where, kind, width, height, bytes);
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
  Decoded decoded = CodecOf(bytes, where).decode(bytes, where);
  return WithChannels(Upright(std::move(decoded.image), decoded.orientation), channels);
}

Image ReadImage(const std::string& path, int channels) {
  return DecodeImage(ReadFile(path), channels, path);
}

ImageInfo ReadImageInfo(const std::string& path) {
  constexpr uint64_t kStart = uint64_t{1} << 16;  // EXIF data alone may take as much
  const std::string start = ReadFileStart(path, kStart);
  try {
    return InfoOf(start, path);
  } catch (const Error&) {
    if (start.size() < kStart) throw;
  }
  return InfoOf(ReadFile(path), path);
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
