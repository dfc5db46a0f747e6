// Files of the array formats, made by hand: for the tests.
#pragma once

#include <zlib.h>

#include <string>
#include <string_view>
#include <vector>

#include "src/data/npy_format.h"

namespace normkit {

// The bytes of an .npy file with this header.
inline std::string NpyFile(const std::string& header, const std::string& data, char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += {version, '\0', static_cast<char>(header.size()), '\0'};
  if (version > 1) bytes += {'\0', '\0'};
  return bytes + header + data;
}

inline std::string NpyHeader(const std::string& descr, const std::string& shape,
                             bool fortran = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }";
}

inline NpyArray ByteArray(std::vector<int64_t> shape, std::string_view values) {
  const auto* begin = reinterpret_cast<const std::byte*>(values.data());
  return {"|u1", std::move(shape), std::vector<std::byte>(begin, begin + values.size())};
}

// The lowest `bytes` bytes, little-endian.
inline std::string Number(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(i < 8 ? value >> 8 * i : 0);
  return out;
}

// `window` as zlib takes it: negative for raw deflate, 16 more for gzip.
inline std::string Compress(std::string_view bytes, int window) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
inline std::string Deflate(std::string_view bytes) { return Compress(bytes, -MAX_WBITS); }
inline std::string Gzip(std::string_view bytes) { return Compress(bytes, 16 + MAX_WBITS); }

// An IDX file of unsigned bytes.
inline std::string Idx(std::vector<int> shape, const std::string& values) {
  std::string bytes = {0, 0, 8, static_cast<char>(shape.size())};
  for (int size : shape)
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift);
  return bytes + values;
}

// An archive with one member 'x.npy', deflated; ZIP64 as Python's zipfile streams it.
struct ZipParts {
  std::string content = SerializeNpy(ByteArray({3}, "abc"), "x");
  std::string compressed = Deflate(content);
  uint64_t size = content.size();
  uint64_t crc =
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  int flags = 0, method = 8;
  bool zip64 = false;

  std::string Header() const {
    return Number(20, 2) + Number(flags, 2) + Number(method, 2) + Number(0, 4) + Number(crc, 4) +
           (zip64 ? std::string(8, '\xff') : Number(compressed.size(), 4) + Number(size, 4)) +
           Number(5, 2) + Number(zip64 ? 28 : 0, 2);
  }
  std::string Extra() const {
    if (!zip64) return "";
    return Number(1, 2) + Number(24, 2) + Number(size, 8) + Number(compressed.size(), 8) +
           Number(0, 8);
  }
  std::string ToString() const {
    const std::string local = "PK\3\4" + Header() + "x.npy" + Extra() + compressed;
    const std::string entry = "PK\1\2" + Number(20, 2) + Header() + Number(0, 10) +
                              (zip64 ? Number(~0u, 4) : Number(0, 4)) + "x.npy" + Extra();
    std::string end64;
    if (zip64)
      end64 = "PK\6\6" + Number(44, 8) + Number(45, 4) + Number(0, 8) + Number(1, 8) +
              Number(1, 8) + Number(entry.size(), 8) + Number(local.size(), 8) + "PK\6\7" +
              Number(0, 4) + Number(local.size() + entry.size(), 8) + Number(1, 4);
    const std::string sizes =
        zip64 ? std::string(12, '\xff')
              : Number(1, 2) + Number(1, 2) + Number(entry.size(), 4) + Number(local.size(), 4);
    return local + entry + end64 + "PK\5\6" + Number(0, 4) + sizes + Number(0, 2);
  }
};

}  // namespace normkit
