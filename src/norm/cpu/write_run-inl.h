// Writes contiguous runs of results, past the caches or through them.
#if defined(NORMKIT_WRITE_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_WRITE_RUN_INL_H_
#undef NORMKIT_WRITE_RUN_INL_H_
#else
#define NORMKIT_WRITE_RUN_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>

#include "src/norm/cpu/load_store-inl.h"
#include "src/norm/cpu/table.h"
#include "src/norm/job.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

// y[i] = op(i) for i in [0, n), y of any type that the arithmetic's type is stored as. op.At(i)
// gives a whole vector, op.Partial(i, k) its first k lanes. Elements do not depend on each other,
// so neither alignment nor width shows in the result.
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
    // Four loads before their stores: where x and y lie alike in their pages, a load that follows
    // the store beside it waits for that store (a third of the speed at [8192,768]).
    for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
      const auto v0 = op.At(i), v1 = op.At(i + kWidth);
      const auto v2 = op.At(i + 2 * kWidth), v3 = op.At(i + 3 * kWidth);
      StreamStore(v0, d, y + i);
      StreamStore(v1, d, y + i + kWidth);
      StreamStore(v2, d, y + i + 2 * kWidth);
      StreamStore(v3, d, y + i + 3 * kWidth);
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

// What is in a buffer already.
template <class T>
struct Buffered {
  using D = Tag<T>;
  const Real<T>* values;
  HWY_INLINE Vector<T> At(int64_t i) const { return hn::LoadU(D(), values + i); }
  HWY_INLINE Vector<T> Partial(int64_t i, size_t n) const {
    return LoadPartial(D(), values + i, n);
  }
};

inline constexpr int64_t kShortRun = 2048;  // bytes
inline constexpr int64_t kCacheLine = 64;
inline constexpr int64_t kStageBytes = 8192;  // of a buffer that stays in the L1 cache

// Runs [first, last) of `array`, too short and too oddly placed to be stored past the caches one by
// one: gathered in a buffer, whose whole cache lines go out together.
// part(run, begin, end, out, stream) writes elements [begin, end) of a run to out.
template <class T, class Part>
HWY_NOINLINE void StageRuns(int64_t length, int64_t first, int64_t last, T* array,
                            const Part& part) {
  constexpr auto kRoom = static_cast<int64_t>(kStageBytes / sizeof(T));
  HWY_ALIGN Real<T> buffer[kRoom];
  T* out = array + first * length;
  int64_t held = 0;
  for (int64_t run = first; run < last; ++run) {
    part(run, 0, length, buffer + held, false);
    held += length;
    const bool end = run + 1 == last;
    if (!end && held + length <= kRoom) continue;
    const int64_t n = end ? held : PieceEnd(out, 0, held + 1, held);
    WriteRun(Buffered<T>{buffer}, out, n, true);
    out += n, held -= n;
    std::copy_n(buffer + n, held, buffer);
  }
}

// Runs [first, last), some elements of each in turn: what belongs to a position of the run rather
// than to the run (parameters) is used again while it is in the L1 cache.
template <class T, class Part>
HWY_INLINE void TileRuns(int64_t length, int64_t first, int64_t last, T* array, bool stream,
                         const Part& part) {
  constexpr int64_t kTile = 1024;
  int64_t position[kMaxTiledRuns] = {};
  for (int64_t tile = kTile; tile < length + kTile; tile += kTile) {
    for (int64_t run = first; run < last; ++run) {
      int64_t& begin = position[run - first];
      if (begin == length) continue;
      T* out = array + run * length;
      const int64_t end = PieceEnd(out, begin, length, tile - begin);
      part(run, begin, end, out + begin, stream);
      begin = end;
    }
  }
}

// Runs [first, last), which lie one behind the other, whichever way is best.
template <class T, class Part>
HWY_INLINE void WriteRuns(const Job& job, int64_t first, int64_t last, T* array, const Part& part) {
  const int64_t length = job.geometry->run_length;
  const auto bytes = length * static_cast<int64_t>(sizeof(T));
  if (job.stream && bytes < kShortRun && bytes % kCacheLine != 0)
    return StageRuns(length, first, last, array, part);
  for (int64_t run = first; run < last; run += job.tiled_runs) {
    const int64_t end = std::min(run + job.tiled_runs, last);
    if (end - run > 1)
      TileRuns(length, run, end, array, job.stream, part);
    else
      part(run, 0, length, array + run * length, job.stream);
  }
}

// Units [first, last) of rows. Where runs of neighbouring units lie side by side they are written
// together.
template <class T, class Part>
HWY_INLINE void WriteUnits(const Job& job, int64_t first, int64_t last, T* array,
                           const Part& part) {
  const Nest& nest = job.geometry->statistics;
  const int64_t length = job.geometry->run_length;
  for (int64_t unit = first, next; unit < last; unit = next) {
    const int64_t begin = nest.kept.Offset(unit);
    for (next = unit + 1; next < last; ++next)
      if (nest.kept.Offset(next) != begin + (next - unit) * nest.inner) break;
    for (int64_t s = 0; s < nest.reduced.size(); ++s) {
      const int64_t run = (begin + nest.reduced.Offset(s)) / length;
      WriteRuns(job, run, run + (next - unit) * nest.inner / length, array, part);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_WRITE_RUN_INL_H_
