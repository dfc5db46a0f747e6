// Small WebP, GIF and TIFF pictures as the bytes of files: for the tests.
#pragma once

#include <gif_lib.h>
#include <webp/encode.h>

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/data/image.h"

namespace normkit {

inline std::string LittleEndian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i);
  return out;
}

// RGB, or RGB and alpha where there are 4 channels. Lossless.
inline std::string MakeWebp(const Image& image) {
  uint8_t* bytes = nullptr;
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  const int stride = width * static_cast<int>(image.channels);
  auto* encode = image.channels == 4 ? &WebPEncodeLosslessRGBA : &WebPEncodeLosslessRGB;
  const size_t size = encode(image.pixels.data(), width, height, stride, &bytes);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  WebPFree(bytes);
  return out;
}

inline std::string RiffChunk(const std::string& name, const std::string& data) {
  return name + LittleEndian(data.size(), 4) + data + std::string(data.size() % 2, '\0');
}

inline std::string MakeRiff(const std::string& chunks) {
  return RiffChunk("RIFF", "WEBP" + chunks);
}

// The picture in the extended format, with EXIF data and a colour profile where there are some.
inline std::string ExtendedWebp(const Image& image, const std::string& exif,
                                const std::string& profile = "") {
  const std::string size = LittleEndian(static_cast<uint64_t>(image.width - 1), 3) +
                           LittleEndian(static_cast<uint64_t>(image.height - 1), 3);
  const std::string colours = profile.empty() ? "" : RiffChunk("ICCP", profile);
  const std::string flags = LittleEndian(profile.empty() ? 8 : 8 + 32, 4);
  return MakeRiff(RiffChunk("VP8X", flags + size) + colours + MakeWebp(image).substr(12) +
                  RiffChunk("EXIF", exif));
}

// The pictures, all of one size, one after the other.
inline std::string AnimatedWebp(const std::vector<Image>& frames) {
  const std::string size = LittleEndian(static_cast<uint64_t>(frames[0].width - 1), 3) +
                           LittleEndian(static_cast<uint64_t>(frames[0].height - 1), 3);
  std::string chunks =
      RiffChunk("VP8X", LittleEndian(2, 4) + size) + RiffChunk("ANIM", std::string(6, '\0'));
  for (const Image& frame : frames)
    chunks += RiffChunk("ANMF", std::string(6, '\0') + size + LittleEndian(100, 3) + '\2' +
                                    MakeWebp(frame).substr(12));
  return MakeRiff(chunks);
}

// What a GIF is made of: indices of 4 colours, black, red, white and grey (128).
struct GifParts {
  int width, height;
  std::vector<uint8_t> pixels;
  int left = 0, top = 0, screen_width = 0, screen_height = 0;  // 0: as the picture
  bool interlaced = false;  // `pixels` in the order of the passes
  int transparent = -1;
};

inline std::string MakeGif(GifParts parts) {
  std::string out;
  int error = 0;
  GifFileType* gif = EGifOpen(
      &out,
      [](GifFileType* file, const GifByteType* bytes, int size) {
        static_cast<std::string*>(file->UserData)
            ->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
        return size;
      },
      &error);
  const GifColorType colours[] = {{0, 0, 0}, {255, 0, 0}, {255, 255, 255}, {128, 128, 128}};
  ColorMapObject* map = GifMakeMapObject(4, colours);
  EGifSetGifVersion(gif, true);
  EGifPutScreenDesc(gif, parts.screen_width > 0 ? parts.screen_width : parts.width,
                    parts.screen_height > 0 ? parts.screen_height : parts.height, 8, 0, map);
  if (parts.transparent >= 0) {
    const GraphicsControlBlock control{DISPOSAL_UNSPECIFIED, false, 0, parts.transparent};
    GifByteType block[4];
    EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE,
                     static_cast<int>(EGifGCBToExtension(&control, block)), block);
  }
  EGifPutImageDesc(gif, parts.left, parts.top, parts.width, parts.height, parts.interlaced,
                   nullptr);
  for (int y = 0; y < parts.height; ++y)
    EGifPutLine(gif, &parts.pixels[static_cast<size_t>(y * parts.width)], parts.width);
  EGifCloseFile(gif, &error);
  GifFreeMapObject(map);
  return out;
}

// An uncompressed TIFF of one strip in little-endian order. samples: 1 grey, 3 RGB, 2 or 4 with
// alpha.
struct TiffParts {
  int width, height, samples;
  std::string pixels;
  int orientation = 1;
  int bits = 8;
  int compression = 1;
  std::string profile = {};
};

inline std::string MakeTiff(const TiffParts& parts) {
  struct Entry {
    int tag, type;
    uint64_t count, value;
  };
  const auto samples = static_cast<uint64_t>(parts.samples);
  std::vector<Entry> entries = {
      {256, 4, 1, static_cast<uint64_t>(parts.width)},
      {257, 4, 1, static_cast<uint64_t>(parts.height)},
      {258, 3, 1, static_cast<uint64_t>(parts.bits)},  // of one sample; more follow below
      {259, 3, 1, static_cast<uint64_t>(parts.compression)},
      {262, 3, 1, parts.samples >= 3 ? 2u : 1u},
      {273, 4, 1, 8},
      {274, 3, 1, static_cast<uint64_t>(parts.orientation)},
      {277, 3, 1, samples},
      {278, 4, 1, static_cast<uint64_t>(parts.height)},
      {279, 4, 1, parts.pixels.size()}};
  if (parts.samples % 2 == 0) entries.push_back({338, 3, 1, 2});  // alpha, colours as they are
  if (!parts.profile.empty())
    entries.push_back({34675, 7, parts.profile.size(), 8 + parts.pixels.size()});
  std::string bits;
  for (uint64_t i = 0; i < samples; ++i) bits += LittleEndian(static_cast<uint64_t>(parts.bits), 2);
  const uint64_t bits_at = 8 + parts.pixels.size() + parts.profile.size();
  if (samples == 2) entries[2].count = 2, entries[2].value *= 0x10001;
  if (samples > 2) entries[2] = {258, 3, samples, bits_at};
  std::string directory = LittleEndian(entries.size(), 2);
  for (const auto& [tag, type, count, value] : entries)
    directory += LittleEndian(static_cast<uint64_t>(tag), 2) +
                 LittleEndian(static_cast<uint64_t>(type), 2) + LittleEndian(count, 4) +
                 LittleEndian(value, 4);
  return std::string("II*\0", 4) + LittleEndian(bits_at + bits.size(), 4) + parts.pixels +
         parts.profile + bits + directory + LittleEndian(0, 4);
}

}  // namespace normkit
