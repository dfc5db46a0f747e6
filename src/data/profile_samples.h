// Small colour profiles (ICC) as bytes, and pictures that hold them: for the tests.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "src/data/image_samples.h"

namespace normkit {

inline std::string Fixed32(double value) {
  return BigEndian32(static_cast<uint32_t>(static_cast<int32_t>(std::lround(value * 65536))));
}

inline std::string XyzTag(double x, double y, double z) {
  return std::string("XYZ \0\0\0\0", 8) + Fixed32(x) + Fixed32(y) + Fixed32(z);
}

// A power, in 8 bits behind the point.
inline std::string CurveTag(double power) {
  const auto value = static_cast<int>(power * 256);
  std::string tag("curv\0\0\0\0\0\0\0\1", 12);
  return tag + static_cast<char>(value >> 8) + static_cast<char>(value) + std::string(2, '\0');
}

using ProfileTags = std::vector<std::pair<std::string, std::string>>;

// kind: "mntr", ...; space and connection: "RGB ", "XYZ ", ... Tags take multiples of 4 bytes.
inline std::string MakeProfile(const std::string& kind, const std::string& space,
                               const std::string& connection, const ProfileTags& tags) {
  std::string table = BigEndian32(tags.size()), body;
  for (const auto& [name, data] : tags) {
    table += name + BigEndian32(132 + 12 * tags.size() + body.size()) + BigEndian32(data.size());
    body += data;
  }
  std::string head = BigEndian32(128 + table.size() + body.size()) + std::string(4, '\0') +
                     BigEndian32(0x02400000) + kind + space + connection + std::string(12, '\0') +
                     "acsp" + std::string(28, '\0') + XyzTag(0.9642, 1, 0.8249).substr(8);
  head.resize(128, '\0');
  return head + table + body;
}

// sRGB's primaries with a power for its curve.
inline std::string RgbProfile(double power) {
  return MakeProfile("mntr", "RGB ", "XYZ ",
                     {{"wtpt", XyzTag(0.9642, 1, 0.8249)},
                      {"rXYZ", XyzTag(0.4361, 0.2225, 0.0139)},
                      {"gXYZ", XyzTag(0.3851, 0.7169, 0.0971)},
                      {"bXYZ", XyzTag(0.1431, 0.0606, 0.7141)},
                      {"rTRC", CurveTag(power)},
                      {"gTRC", CurveTag(power)},
                      {"bTRC", CurveTag(power)}});
}

inline std::string GreyProfile(double power) {
  return MakeProfile("mntr", "GRAY", "XYZ ",
                     {{"wtpt", XyzTag(0.9642, 1, 0.8249)}, {"kTRC", CurveTag(power)}});
}

// Inks by a table of 2 x 2 x 2 x 2 colours in Lab: each ink takes a quarter of the light.
inline std::string CmykProfile() {
  std::string table("mft1\0\0\0\0\4\3\2\0", 12), straight;
  for (int i = 0; i < 9; ++i) table += Fixed32(i % 4 == 0 ? 1 : 0);
  for (int i = 0; i < 256; ++i) straight += static_cast<char>(i);
  for (int i = 0; i < 4; ++i) table += straight;
  for (unsigned inks = 0; inks < 16; ++inks) {
    int light = 255;
    for (unsigned ink = 0; ink < 4; ++ink) light -= (inks >> ink & 1) != 0 ? 63 : 0;
    table += {static_cast<char>(light), '\x80', '\x80'};
  }
  for (int i = 0; i < 3; ++i) table += straight;
  return MakeProfile("prtr", "CMYK", "Lab ",
                     {{"wtpt", XyzTag(0.9642, 1, 0.8249)}, {"A2B0", table}});
}

// A pipeline of `count` steps that all lie in one place and claim a table of great size.
inline std::string PipelineProfile(size_t count) {
  std::string steps = std::string("mpet\0\0\0\0\0\3\0\3", 12) + BigEndian32(count);
  const size_t at = 16 + 8 * count;
  std::string step = std::string("clut\0\0\0\0\0\3\0\3", 12) + std::string(16, '\xc8');
  for (size_t i = 0; i < count; ++i) steps += BigEndian32(at) + BigEndian32(step.size());
  return MakeProfile("mntr", "RGB ", "XYZ ",
                     {{"wtpt", XyzTag(0.9642, 1, 0.8249)}, {"D2B0", steps + step}});
}

inline std::string PngProfile(const std::string& profile) {
  return PngChunk("iCCP", std::string("p\0\0", 3) + ZlibCompress(profile));
}

// In parts of at most `size` bytes, each in a segment of its own.
inline std::string WithProfile(const std::string& jpeg, const std::string& profile,
                               size_t size = 60'000) {
  const size_t count = (profile.size() + size - 1) / size;
  std::string segments;
  for (size_t i = 0; i < count; ++i) {
    std::string segment("ICC_PROFILE\0", 12);
    segment += {static_cast<char>(i + 1), static_cast<char>(count)};
    segment += profile.substr(i * size, size);
    const size_t length = segment.size() + 2;
    segments += {'\xff', '\xe2', static_cast<char>(length >> 8), static_cast<char>(length)};
    segments += segment;
  }
  return jpeg.substr(0, 2) + segments + jpeg.substr(2);
}

}  // namespace normkit
