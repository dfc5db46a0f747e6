// Memory that a thread keeps from call to call.
#pragma once

#include <atomic>
#include <cstddef>
#include <type_traits>

namespace normkit {

// At least so many bytes of this thread's array at `place`, which the first request gives (0: none
// yet); `fresh`, where not null: whether what was in them is gone. Throws std::bad_alloc where
// there is no memory, and what was there stays.
void* GetScratch(std::atomic<size_t>& place, size_t bytes, bool* fresh);

// An array of `count` T for the use of this thread until its next request with the same Tag; at the
// start of a cache line, not initialized. Grows, and shrinks only by TrimScratch: no allocation
// after the first call of a size. Goes back when the thread ends.
template <class Tag, class T>
T* Scratch(size_t count, bool* fresh = nullptr) {
  static_assert(std::is_trivially_destructible_v<T>);
  constinit static std::atomic<size_t> place{0};
  return static_cast<T*>(GetScratch(place, count * sizeof(T), fresh));
}

// What a thread keeps at most of one array once a call is over: much more than kernels want for
// themselves, much less than what grows with a user's arrays.
inline constexpr size_t kKeptScratchBytes = size_t{32} << 20;

// Gives back this thread's arrays of more than `most` bytes. Nobody may use them any more.
void TrimScratch(size_t most = kKeptScratchBytes);

// The same at the end of a call, the outermost of this thread's: of one that makes others arrays
// are still in use when those end.
class TrimScratchAtEnd {
 public:
  TrimScratchAtEnd();
  ~TrimScratchAtEnd();
  TrimScratchAtEnd(const TrimScratchAtEnd&) = delete;
  TrimScratchAtEnd& operator=(const TrimScratchAtEnd&) = delete;
};

}  // namespace normkit
