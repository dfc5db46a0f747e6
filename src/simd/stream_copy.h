// Copies past the caches.
#pragma once

#include <cstdint>

namespace normkit::simd {

// `rows` pieces of so many bytes, each piece so many bytes behind the one before. Lines that are
// written whole are not read first; the others as memcpy would.
void StreamCopy(const void* from, int64_t from_step, int64_t rows, int64_t bytes, void* to,
                int64_t to_step);

// What was written so is seen by other threads that are told of it hereafter.
void EndStreams();

}  // namespace normkit::simd
