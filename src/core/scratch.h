// Memory that a thread keeps from call to call.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace normkit {

// An array of `count` T for the use of this thread until its next request with the same Tag; at the
// start of a cache line, not initialized. Grows, never shrinks: no allocation after the first call
// of a size.
template <class Tag, class T>
T* Scratch(size_t count) {
  static_assert(std::is_trivially_destructible_v<T>);
  constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(T* array) const { operator delete[](array, kLine); }
  };
  thread_local std::unique_ptr<T[], Free> storage;
  thread_local size_t capacity = 0;
  if (count > capacity) {
    storage.reset(new (kLine) T[count]);
    capacity = count;
  }
  return storage.get();
}

}  // namespace normkit
