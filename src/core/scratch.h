// Memory that a thread keeps from call to call.
#pragma once

#include <cstddef>
#include <type_traits>

namespace normkit {

// One array of a thread. All of a thread's are in a list, for TrimScratch.
class ScratchArray {
 public:
  ScratchArray();
  ~ScratchArray();
  ScratchArray(const ScratchArray&) = delete;
  ScratchArray& operator=(const ScratchArray&) = delete;

  // At least so many bytes; `fresh`, where not null: whether what was in them is gone.
  void* Get(size_t bytes, bool* fresh);
  void Free();
  size_t bytes() const { return bytes_; }
  ScratchArray* next() const { return next_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
  ScratchArray* next_;
};

// An array of `count` T for the use of this thread until its next request with the same Tag; at the
// start of a cache line, not initialized. Grows, and shrinks only by TrimScratch: no allocation
// after the first call of a size.
template <class Tag, class T>
T* Scratch(size_t count, bool* fresh = nullptr) {
  static_assert(std::is_trivially_destructible_v<T>);
  thread_local ScratchArray array;
  return static_cast<T*>(array.Get(count * sizeof(T), fresh));
}

// What a thread keeps at most of one array once a call is over: much more than kernels want for
// themselves, much less than what grows with a user's arrays.
inline constexpr size_t kKeptScratchBytes = size_t{32} << 20;

// Gives back this thread's arrays of more than `most` bytes. Nobody may use them any more.
void TrimScratch(size_t most = kKeptScratchBytes);

// The same at the end of a scope.
class TrimScratchAtEnd {
 public:
  TrimScratchAtEnd() = default;
  ~TrimScratchAtEnd() { TrimScratch(); }
  TrimScratchAtEnd(const TrimScratchAtEnd&) = delete;
  TrimScratchAtEnd& operator=(const TrimScratchAtEnd&) = delete;
};

}  // namespace normkit
