// Counts what operator new is asked for, and refuses on demand. Replaces the operators of the whole
// program: included by one file of a test program only.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace normkit {
inline std::atomic<int64_t> allocated_bytes{0};
// How many allocations succeed before one fails; below 0: all do.
inline std::atomic<int64_t> allocations_left{-1};

// Counts an allocation; whether it is the one that fails.
inline bool CountAllocation(size_t bytes) {
  allocated_bytes += static_cast<int64_t>(bytes);
  return allocations_left >= 0 && allocations_left-- == 0;
}
}  // namespace normkit

// Not inlined: g++ would otherwise take free for the wrong partner of new.
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return normkit::CountAllocation(bytes) ? nullptr : std::malloc(bytes ? bytes : 1);
}
[[gnu::noinline]] void* operator new(size_t bytes) {
  void* memory = operator new(bytes, std::nothrow);
  if (!memory) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void* operator new(size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<size_t>(alignment);
  void* memory = normkit::CountAllocation(bytes)
                     ? nullptr
                     : std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (!memory) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}

// Those of arrays, which otherwise are the sanitizers' where those are linked.
void* operator new[](size_t bytes, const std::nothrow_t& nothrow) noexcept {
  return operator new(bytes, nothrow);
}
void* operator new[](size_t bytes) { return operator new(bytes); }
void* operator new[](size_t bytes, std::align_val_t alignment) {
  return operator new(bytes, alignment);
}
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, size_t) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::align_val_t alignment) noexcept {
  operator delete(memory, alignment);
}
