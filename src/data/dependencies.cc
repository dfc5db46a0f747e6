#include "src/data/dependencies.h"

#include <fmt/format.h>
#include <jconfig.h>
#include <png.h>
#include <zlib.h>

namespace normkit {

std::vector<Dependency> DataDependencies() {
  constexpr int kJpeg = LIBJPEG_TURBO_VERSION_NUMBER;
  return {
      {"libjpeg-turbo", fmt::format("{}.{}.{}", kJpeg / 1000000, kJpeg / 1000 % 1000, kJpeg % 1000),
       "IJG AND BSD-3-Clause AND Zlib"},
      {"libpng", png_get_libpng_ver(nullptr), "libpng-2.0"},
      {"zlib", zlibVersion(), "Zlib"},
  };
}

}  // namespace normkit
