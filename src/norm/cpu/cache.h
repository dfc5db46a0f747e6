// What the choice between kernels depends on: sizes of this machine's caches.
#pragma once

#include <cstdint>

namespace normkit {

struct CacheSizes {
  int64_t l1, l2;  // bytes of one core
};

// Of the machine; conservative values where the system does not say.
const CacheSizes& Caches();

// Bytes of one unit that is read and then written while it is in a core's cache.
inline int64_t FusedLimit() { return Caches().l2 / 2; }

// Bytes of output from which storing past the caches pays: none of it would survive in them.
inline int64_t StreamLimit(int threads) { return int64_t{1 << 20} * threads; }

// Bytes of traffic below which waking another thread costs more than it saves.
inline constexpr int64_t kThreadLimit = 1 << 20;

}  // namespace normkit
