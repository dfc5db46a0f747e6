// The limit of every operation here: how fast this machine streams through memory.
#pragma once

#include <cstddef>

namespace normkit::simd {

// Bytes of each of the probe's two buffers: beyond the caches.
inline constexpr size_t kProbeBytes = size_t{512} << 20;

// What `threads` threads copy from one buffer to another with non-temporal stores, reads and writes
// overlapped: bytes read plus bytes written, in 1e9 bytes a second. The best of a few ways to copy
// (prefetch distances, one or two streams a thread), each its median over several passes. Takes
// about a second and 1 GB of memory; measure before and after what it is compared with.
double StreamingBandwidth(int threads, size_t bytes = kProbeBytes);

// What `threads` threads only read, in 1e9 bytes a second; the best of the same ways.
double ReadBandwidth(int threads, size_t bytes = kProbeBytes);

}  // namespace normkit::simd
