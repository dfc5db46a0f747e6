// Refuses memory of the C library on demand, what it asks for itself as well. Replaces malloc in
// the whole program: included by one file of a test program only. Where a sanitizer has its own
// malloc or the C library is another, kRefusesMalloc is false and nothing is replaced.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define NORMKIT_OTHER_MALLOC
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define NORMKIT_OTHER_MALLOC
#endif

namespace normkit {
// How many calls succeed before all fail, below 0: none fails.
inline std::atomic<int64_t> mallocs_left{-1};
// Only one fails, not all from there on.
inline std::atomic<bool> one_malloc_fails{false};

inline bool RefusesMalloc() {
  if (mallocs_left.load(std::memory_order_relaxed) < 0) return false;
  const int64_t left = mallocs_left--;
  if (left > 0) return false;
  if (!one_malloc_fails) mallocs_left = 0;
  errno = ENOMEM;
  return left == 0 || !one_malloc_fails;
}
}  // namespace normkit

#ifdef NORMKIT_OTHER_MALLOC
namespace normkit {
inline constexpr bool kRefusesMalloc = false;
}
#else
namespace normkit {
inline constexpr bool kRefusesMalloc = true;
}
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) noexcept {
  return normkit::RefusesMalloc() ? nullptr : __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) noexcept {
  return normkit::RefusesMalloc() ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* memory, size_t bytes) noexcept {
  return normkit::RefusesMalloc() ? nullptr : __libc_realloc(memory, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
  return normkit::RefusesMalloc() ? nullptr : __libc_memalign(alignment, bytes);
}
}
#endif
