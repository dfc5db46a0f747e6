// Short runs of results, collected and written past the caches together.
#if defined(NORMKIT_STREAM_STAGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_STREAM_STAGE_INL_H_
#undef NORMKIT_STREAM_STAGE_INL_H_
#else
#define NORMKIT_STREAM_STAGE_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "src/norm/cpu/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

// Copies past the caches, whatever the alignment of both.
inline void StreamBytes(const uint8_t* from, uint8_t* to, size_t bytes) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint8_t> d;
  constexpr size_t kWidth = hn::MaxLanes(d);
  i = std::min(bytes, (kWidth - reinterpret_cast<uintptr_t>(to) % kWidth) % kWidth);
  std::memcpy(to, from, i);
  for (; i + kWidth <= bytes; i += kWidth) hn::Stream(hn::LoadU(d, from + i), d, to + i);
#endif
  std::memcpy(to + i, from + i, bytes - i);
}

// Results are put where Place says, in order, and stand in memory after Flush. Runs that lie one
// behind the other go out as one: a cache line written half past the caches and half through them
// has to be read.
template <class T>
class StreamStage {
 public:
  static constexpr int64_t kMaxRun = 1024;
  static constexpr int64_t kSize = 4 * kMaxRun;

  // `buffer` holds kSize elements.
  explicit StreamStage(T* buffer) : buffer_(buffer) {}

  // Where n <= kMaxRun results for `to` have to be put.
  T* Place(T* to, int64_t n) {
    if (to != to_ + filled_ || filled_ + n > kSize) Flush();
    if (filled_ == 0) to_ = to;
    filled_ += n;
    return buffer_ + filled_ - n;
  }
  // Where to put up to kMaxRun results that nobody wants, while none are placed.
  T* Nowhere() const { return buffer_; }
  void Flush() {
    StreamBytes(reinterpret_cast<const uint8_t*>(buffer_), reinterpret_cast<uint8_t*>(to_),
                static_cast<size_t>(filled_) * sizeof(T));
    filled_ = 0;
  }

 private:
  T* buffer_;
  T* to_ = nullptr;
  int64_t filled_ = 0;
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_STREAM_STAGE_INL_H_
