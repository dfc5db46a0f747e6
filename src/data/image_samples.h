// Small pictures of every kind as the bytes of files, made by hand: for the tests.
#pragma once

// jpeglib.h needs FILE and size_t before it.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
// clang-format on
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace normkit {

inline std::string BigEndian32(uint64_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

inline std::string PngChunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return BigEndian32(data.size()) + body + BigEndian32(crc);
}

inline std::string ZlibCompress(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size,
           reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  out.resize(size);
  return out;
}

// What a PNG is made of. colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
struct PngParts {
  uint32_t width, height;
  int depth, colour;
  std::vector<std::string> rows;  // as stored, without the filter byte
  std::string chunks = {};        // between the header and the pixels
  bool interlaced = false;        // then `rows` are those of the seven passes
};

inline std::string MakePng(const PngParts& parts) {
  std::string header = BigEndian32(parts.width) + BigEndian32(parts.height);
  header += {static_cast<char>(parts.depth), static_cast<char>(parts.colour), '\0', '\0',
             static_cast<char>(parts.interlaced)};
  std::string pixels;
  for (const std::string& row : parts.rows) pixels += '\0' + row;
  return "\x89PNG\r\n\x1a\n" + PngChunk("IHDR", header) + parts.chunks +
         PngChunk("IDAT", ZlibCompress(pixels)) + PngChunk("IEND", "");
}

struct JpegParts {
  uint32_t width, height;
  int components;  // 1, 3 or 4 (CMYK)
  std::vector<uint8_t> pixels;
  bool progressive = false;
  bool adobe = false;  // CMYK: with Adobe's marker, which says that the inks are inverted
};

inline std::string MakeJpeg(const JpegParts& parts) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's type
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = parts.width;
  info.image_height = parts.height;
  info.input_components = parts.components;
  info.in_color_space = parts.components == 1   ? JCS_GRAYSCALE
                        : parts.components == 3 ? JCS_RGB
                                                : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  if (parts.progressive) jpeg_simple_progression(&info);
  info.write_Adobe_marker = parts.adobe;
  jpeg_start_compress(&info, TRUE);
  const size_t stride = size_t{parts.width} * static_cast<size_t>(parts.components);
  while (info.next_scanline < parts.height) {
    auto* row = const_cast<JSAMPROW>(&parts.pixels[info.next_scanline * stride]);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return out;
}

// EXIF data that holds an orientation, in either byte order.
inline std::string MakeExif(int orientation, bool little) {
  std::string tiff;
  const auto put = [&](uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      tiff += static_cast<char>(value >> 8 * (little ? i : size - 1 - i));
  };
  tiff = little ? "II" : "MM";
  put(42, 2);
  put(8, 4);       // the directory follows
  put(2, 2);       // of two entries
  put(0x0100, 2);  // width
  put(4, 2);
  put(1, 4);
  put(99, 4);
  put(0x0112, 2);  // orientation
  put(3, 2);
  put(1, 4);
  put(static_cast<uint64_t>(orientation), 2);
  put(0, 2);
  put(0, 4);  // no further directory
  return tiff;
}

// The JPEG with EXIF data put in after its first marker.
inline std::string WithExif(const std::string& jpeg, const std::string& exif) {
  const std::string segment = std::string("Exif\0\0", 6) + exif;
  const size_t size = segment.size() + 2;
  std::string marker = "\xff\xe1";
  marker += {static_cast<char>(size >> 8), static_cast<char>(size)};
  return jpeg.substr(0, 2) + marker + segment + jpeg.substr(2);
}

}  // namespace normkit
