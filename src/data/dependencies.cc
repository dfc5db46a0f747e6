#include "src/data/dependencies.h"

#include <fmt/format.h>
#include <gif_lib.h>
#include <jconfig.h>
#include <lcms2.h>
#include <png.h>
#include <tiffio.h>
#include <webp/decode.h>
#include <zlib.h>

#include <string>

namespace normkit {
namespace {

// "LIBTIFF, Version 4.5.0\nCopyright (c) ..."
std::string TiffVersion() {
  const std::string text = TIFFGetVersion();
  const size_t line = text.find('\n'), word = text.rfind(' ', line);
  return text.substr(word + 1, line - word - 1);
}

std::string WebpVersion() {
  const int version = WebPGetDecoderVersion();
  return fmt::format("{}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff);
}

}  // namespace

std::vector<Dependency> DataDependencies() {
  constexpr int kJpeg = LIBJPEG_TURBO_VERSION_NUMBER;
  return {
      {"libjpeg-turbo", fmt::format("{}.{}.{}", kJpeg / 1000000, kJpeg / 1000 % 1000, kJpeg % 1000),
       "IJG AND BSD-3-Clause AND Zlib"},
      {"giflib", fmt::format("{}.{}.{}", GIFLIB_MAJOR, GIFLIB_MINOR, GIFLIB_RELEASE), "MIT"},
      {"lcms2",
       fmt::format("{}.{}", cmsGetEncodedCMMversion() / 1000, cmsGetEncodedCMMversion() / 10 % 100),
       "MIT"},
      {"libpng", png_get_libpng_ver(nullptr), "libpng-2.0"},
      {"libtiff", TiffVersion(), "libtiff"},
      {"libwebp", WebpVersion(), "BSD-3-Clause"},
      {"zlib", zlibVersion(), "Zlib"},
  };
}

}  // namespace normkit
