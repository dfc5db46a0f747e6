// What the choice between kernels depends on: sizes of this machine's caches.
#pragma once

#include <algorithm>
#include <cstdint>

namespace normkit::simd {

struct CacheSizes {
  int64_t l1, l2;  // bytes of one core
  int64_t l3;      // bytes of all cores; 0 where there is none
};

// Of the machine; conservative values where the system does not say.
const CacheSizes& Caches();

// 48 KiB, as Zen 5 and Emerald Rapids have, which rules of look-ahead were measured on. Passes that
// read and write memory, and two arrays that are read, Zen 5 follows by itself: what is fetched
// ahead there costs 3 to 8 %; Zen 4 and older ones (32 KiB) gain up to twice the speed by it. Rows
// that are fetched 16 KiB ahead gain 10 to 30 % on both; those older ones lose a quarter.
inline bool HasLargeL1() { return Caches().l1 >= 48 << 10; }

// Bytes of one unit that is read and then written while it is in a core's L2 cache.
inline int64_t NearLimit() { return Caches().l2 / 2; }

// The same in a core's share of the L3 cache, which other programs use too: half of it, and no more
// than measurements cover.
inline int64_t FusedLimit(int threads) {
  constexpr int64_t kMost = 8 << 20;
  return std::max(NearLimit(), std::min(Caches().l3 / (2 * threads), kMost));
}

// Bytes of output from which storing past the caches pays: none of it would survive in them.
inline int64_t StreamLimit(int threads) { return int64_t{1 << 20} * threads; }

// Bytes of traffic below which waking another thread costs more than it saves, and those below
// which sharing with one that is awake does.
inline constexpr int64_t kThreadLimit = 1 << 20;
inline constexpr int64_t kAwakeLimit = 192 << 10;

}  // namespace normkit::simd
