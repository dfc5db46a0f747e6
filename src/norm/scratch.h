// Memory that a thread keeps from call to call.
#pragma once

#include <cstddef>
#include <memory>

namespace normkit {

// An array of `count` T for the use of this thread until its next request with the same Tag; not
// initialized. Grows, never shrinks: no allocation after the first call of a size.
template <class Tag, class T>
T* Scratch(size_t count) {
  thread_local std::unique_ptr<T[]> storage;
  thread_local size_t capacity = 0;
  if (count > capacity) {
    storage = std::make_unique_for_overwrite<T[]>(count);
    capacity = count;
  }
  return storage.get();
}

}  // namespace normkit
