// Writes one contiguous run of results, past the caches or through them.
#if defined(NORMKIT_WRITE_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_WRITE_RUN_INL_H_
#undef NORMKIT_WRITE_RUN_INL_H_
#else
#define NORMKIT_WRITE_RUN_INL_H_
#endif

#include <algorithm>

#include "src/norm/cpu/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

// y[i] = op(i) for i in [0, n). op.At(i) gives a whole vector, op.Partial(i, k) its first k lanes.
// Elements do not depend on each other, so neither alignment nor width shows in the result.
template <class T, class Op>
HWY_INLINE void WriteRun(const Op& op, T* y, int64_t n, bool stream) {
  const Tag<T> d;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  int64_t i = 0;
  if (stream) {
    constexpr uintptr_t kBytes = kWidth * sizeof(T);
    const uintptr_t misaligned = reinterpret_cast<uintptr_t>(y) % kBytes;
    if (misaligned != 0) {
      i = std::min(n, static_cast<int64_t>((kBytes - misaligned) / sizeof(T)));
      StorePartial(op.Partial(0, static_cast<size_t>(i)), d, y, static_cast<size_t>(i));
    }
    for (; i + kWidth <= n; i += kWidth) StreamStore(op.At(i), d, y + i);
  } else {
    for (; i + kWidth <= n; i += kWidth) StoreAny(op.At(i), d, y + i);
  }
  if (i < n)
    StorePartial(op.Partial(i, static_cast<size_t>(n - i)), d, y + i, static_cast<size_t>(n - i));
}

// A piece of a run that begins at y + begin: about `wanted` elements, ending with a cache line
// where it does not end with the run, so that no line is written half past the caches and half
// through.
template <class T>
HWY_INLINE int64_t PieceEnd(const T* y, int64_t begin, int64_t run_end, int64_t wanted) {
  int64_t end = begin + wanted;
  if (end >= run_end) return run_end;
  constexpr uintptr_t kLine = 64;
  const int64_t beyond =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(y + end) % kLine / sizeof(T));
  return end - beyond > begin ? end - beyond : run_end;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_WRITE_RUN_INL_H_
