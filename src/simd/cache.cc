#include "src/simd/cache.h"

#include <unistd.h>

namespace normkit::simd {
namespace {

int64_t SizeOr(int name, int64_t fallback) {
  const long size = sysconf(name);
  return size > 0 ? size : fallback;
}

}  // namespace

const CacheSizes& Caches() {
  static const CacheSizes sizes = {SizeOr(_SC_LEVEL1_DCACHE_SIZE, 32 << 10),
                                   SizeOr(_SC_LEVEL2_CACHE_SIZE, 512 << 10),
                                   SizeOr(_SC_LEVEL3_CACHE_SIZE, 0)};
  return sizes;
}

}  // namespace normkit::simd
