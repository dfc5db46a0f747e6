// Writes contiguous runs of results, past the caches or through them.
#if defined(NORMKIT_WRITE_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_WRITE_RUN_INL_H_
#undef NORMKIT_WRITE_RUN_INL_H_
#else
#define NORMKIT_WRITE_RUN_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/fold_lanes-inl.h"
#include "src/norm/cpu/kernels/table.h"
#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

// Which NaN an op may give.
template <class Op>
inline constexpr Nans kNansOf = [] {
  if constexpr (requires { Op::kNans; }) return Op::kNans;
  return Nans::kQuiet;
}();

// Whether an op's results are of x alone, with nothing beside that belongs to a place of the run:
// of any vector of elements as fast as of another. (Where one vector's results are wanted, as in
// StoreColumn, "nothing" may be of that vector.)
template <class Op>
inline constexpr bool kAnywhere = [] {
  if constexpr (requires { Op::kAnywhere; }) return Op::kAnywhere;
  return false;
}();
// Whether those are computed by vectors of even and of odd places.
template <class T, class Op>
inline constexpr bool kByPairs = kPaired<T>&& kAnywhere<Op>;

// What of an op's results goes to memory at a time: a vector. op(vector) gives the results of a
// WholeVector or a PartOfVector. (Of f16 each vector is narrowed by an instruction of its own: to
// join two is not worth 50 KB of text.)
template <class T, bool = kPaired<T>>
struct Outgoing {
  using D = Tag<T>;
  using V = Vector<T>;
  static constexpr size_t kWidth = hn::MaxLanes(D());

  template <class Op>
  static HWY_INLINE V Of(const Op& op, int64_t i) {
    return op(WholeVector<Real<T>>{i});
  }
  // Of n elements at most; the other lanes are anything.
  template <class Op>
  static HWY_INLINE V Of(const Op& op, int64_t i, size_t n) {
    return kWidth == 1 || n == kWidth ? Of(op, i) : op(PartOfVector<Real<T>>{i, n});
  }
  static HWY_INLINE void Stream(V v, T* y) { StreamStore(v, D(), y); }
  static HWY_INLINE void Store(V v, T* y) { StoreAny(v, D(), y); }

  // Moves lane j to lane j + shift, going round; joins what so came into the first lanes of a
  // vector with what came before.
  class Rotation {
    using DI = hn::Rebind<hwy::MakeSigned<Real<T>>, D>;
    using TI = hn::TFromD<DI>;

   public:
    HWY_INLINE explicit Rotation(size_t shift)
        : indices_(hn::IndicesFromVec(
              D(), hn::And(hn::Sub(hn::Iota(DI(), 0), hn::Set(DI(), static_cast<TI>(shift))),
                           hn::Set(DI(), static_cast<TI>(kWidth - 1))))),
          is_before_(hn::FirstN(D(), shift)) {}
    HWY_INLINE V operator()(V v) const { return hn::TableLookupLanes(v, indices_); }
    HWY_INLINE V Join(V before, V v) const { return hn::IfThenElse(is_before_, before, v); }

   private:
    decltype(hn::IndicesFromVec(D(), hn::Iota(DI(), 0))) indices_;
    hn::Mask<D> is_before_;
  };
};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// Of bf16 the results of two vectors fill one; in lanes of 32 bits.
template <class T>
struct Outgoing<T, true> {
  using D = hn::Rebind<uint32_t, Tag<T>>;
  using V = hn::Vec<D>;
  static constexpr size_t kHalf = hn::MaxLanes(D()), kWidth = 2 * kHalf;

  template <class Op>
  static HWY_INLINE V Narrowed(Vector<T> first, Vector<T> second) {
    return NarrowTwo<Tag<T>, kNansOf<Op>>(Tag<T>(), first, second);
  }
  template <class Op>
  static HWY_INLINE V Of(const Op& op, int64_t i) {
    if constexpr (kByPairs<T, Op>) {
      const auto even = op(PlacesOfTwo<false>{i});
      return NarrowPairs<Tag<T>, kNansOf<Op>>(Tag<T>(), {even, op(PlacesOfTwo<true>{i})});
    }
    constexpr auto kNext = static_cast<int64_t>(kHalf);
    const auto first = op(WholeVector<float>{i});
    return Narrowed<Op>(first, op(WholeVector<float>{i + kNext}));
  }
  template <class Op>
  static HWY_INLINE V Of(const Op& op, int64_t i, size_t n) {
    if constexpr (kByPairs<T, Op>) {
      const auto even = op(PlacesOfPart<false>{i, n});
      return NarrowPairs<Tag<T>, kNansOf<Op>>(Tag<T>(), {even, op(PlacesOfPart<true>{i, n})});
    }
    Vector<T> v[2] = {hn::Zero(Tag<T>()), hn::Zero(Tag<T>())};
    size_t k = 0;
    for (; n >= kHalf; n -= kHalf, i += static_cast<int64_t>(kHalf))
      v[k++] = op(WholeVector<float>{i});
    if (n > 0) v[k] = op(PartOfVector<float>{i, n});
    return Narrowed<Op>(v[0], v[1]);
  }
  static HWY_INLINE void Stream(V v, T* y) { hn::Stream(v, D(), reinterpret_cast<uint32_t*>(y)); }
  static HWY_INLINE void Store(V v, T* y) { hn::StoreU(v, D(), reinterpret_cast<uint32_t*>(y)); }
  // The first n elements.
  static HWY_INLINE void Store(V v, T* y, size_t n) {
    HWY_ALIGN T lanes[kWidth];
    Store(v, lanes);
    std::memcpy(y, lanes, n * sizeof(T));
  }

  // As above, of lanes of 16 bits: lower and upper halves come from lanes of their own, halves
  // changed where the shift is odd.
  class Rotation {
    using DI = hn::Rebind<int32_t, D>;
    static HWY_INLINE auto Indices(int32_t shift) {
      return hn::IndicesFromVec(D(), hn::And(hn::Sub(hn::Iota(DI(), 0), hn::Set(DI(), shift)),
                                             hn::Set(DI(), static_cast<int32_t>(kHalf - 1))));
    }
    using D16 = hn::Repartition<uint16_t, D>;

   public:
    HWY_INLINE explicit Rotation(size_t shift)
        : lower_(Indices(static_cast<int32_t>((shift + 1) / 2))),
          upper_(Indices(static_cast<int32_t>(shift / 2))),
          bits_(static_cast<int>(shift % 2 * 16)),
          is_before_(hn::FirstN(D16(), shift)) {}
    HWY_INLINE V operator()(V v) const {
      const V halves = hn::Or(hn::ShiftRightSame(v, bits_), hn::ShiftLeftSame(v, 32 - bits_));
      return hn::BitCast(D(),
                         hn::OddEven(hn::BitCast(D16(), hn::TableLookupLanes(halves, upper_)),
                                     hn::BitCast(D16(), hn::TableLookupLanes(halves, lower_))));
    }
    HWY_INLINE V Join(V before, V v) const {
      return hn::BitCast(
          D(), hn::IfThenElse(is_before_, hn::BitCast(D16(), before), hn::BitCast(D16(), v)));
    }

   private:
    decltype(Indices(0)) lower_, upper_;
    int bits_;
    hn::Mask<D16> is_before_;
  };
};
#endif

// y[i] = op(i) for i in [0, n), y of any type that the arithmetic's type is stored as. Elements do
// not depend on each other, so neither alignment nor width shows in the result.
template <class T, class Op>
HWY_INLINE void StoreRun(const Op& op, T* y, int64_t n) {
  const Tag<T> d;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  int64_t i = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  if constexpr (kPaired<T>) {
    using Out = Outgoing<T>;
    for (; i + 2 * kWidth <= n; i += 2 * kWidth) Out::Store(Out::Of(op, i), y + i);
    if constexpr (kByPairs<T, Op>) {
      const auto rest = static_cast<size_t>(n - i);
      if (rest != 0) Out::Store(Out::Of(op, i, rest), y + i, rest);
      return;
    }
  }
#endif
  for (; i + kWidth <= n; i += kWidth) StoreAny(op(WholeVector<Real<T>>{i}), d, y + i);
  if (i == n) return;
  const PartOfVector<Real<T>> rest{i, static_cast<size_t>(n - i)};
  rest.Store(op(rest), y);
}

// The same past the caches, by whole aligned vectors; of bf16 also by halves of them, but where
// op's results are of pairs.
template <class T, class Op>
HWY_INLINE void StreamRun(const Op& op, T* y, int64_t n) {
  using Out = Outgoing<T>;
  constexpr auto kStep = static_cast<int64_t>(Out::kWidth);
  constexpr auto kVector = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  const bool whole = reinterpret_cast<uintptr_t>(y) % (Out::kWidth * sizeof(T)) == 0;
  HWY_DASSERT((!kByPairs<T, Op>) || (whole && n % kStep == 0));
  int64_t i = 0;
  if (kStep == kVector || whole)
    for (; i + kStep <= n; i += kStep) Out::Stream(Out::Of(op, i), y + i);
  if constexpr (kStep != kVector && !kByPairs<T, Op>)
    for (; i < n; i += kVector) StreamStore(op(WholeVector<Real<T>>{i}), Tag<T>(), y + i);
}

// One vector of each of `rows` rows of n elements: y[row * n] = op(row * n).
template <class T, class Op>
HWY_INLINE void StoreColumn(const Op& op, T* y, int64_t rows, int64_t n) {
  for (int64_t i = 0; i < rows * n; i += n) StoreAny(op(WholeVector<Real<T>>{i}), Tag<T>(), y + i);
}

// Whether what is aligned goes out straight, not rotated by no lanes, which takes a loop more: 16
// bits, which are bound by the core, and channels last from memory, 1 to 3 % faster.
template <class T, class Op>
inline constexpr bool kGoesStraight = [] {
  if constexpr (requires { Op::kStraight; }) return sizeof(T) == 2 || Op::kStraight;
  return sizeof(T) == 2;
}();

// Writes runs of results, through the caches or past them.
//
// Past the caches only whole aligned vectors go out. Where a run ends within one, the rest waits
// for the run behind it: a cache line written half past the caches and half through them has to be
// read. Results are computed by whole vectors from the start of a run, whatever its alignment, and
// rotated into place on their way out, so that coefficients and sums along the run are accessed
// aligned ([8192,1023] took 1.5 to 1.8 times as long as [8192,1024] without both); where there are
// none, from the first aligned vector on.
template <class T>
class RunWriter {
  using Out = Outgoing<T>;
  using V = typename Out::V;
  using Rotation = typename Out::Rotation;
  static constexpr size_t kWidth = Out::kWidth;
  static constexpr auto kStep = static_cast<int64_t>(kWidth);

 public:
  explicit RunWriter(bool stream) : stream_(stream) {}
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;
  ~RunWriter() {
    if (!stream_) return;
    Flush();
    hwy::FlushStream();
  }

  // As StoreRun.
  template <class Op>
  HWY_INLINE void Write(const Op& op, T* y, int64_t n) {
    // Between elements nothing is aligned; every store of a call goes this way then.
    if (!stream_ || reinterpret_cast<uintptr_t>(y) % sizeof(T) != 0) return StoreRun(op, y, n);
    const size_t before = reinterpret_cast<uintptr_t>(y) / sizeof(T) % kWidth;
    Begin(y, before);
    if constexpr (kAnywhere<Op>) {
      const int64_t head = before == 0 ? 0 : std::min(n, static_cast<int64_t>(kWidth - before));
      if (head != 0) WriteHead(op, y, head, n >= kStep, before);
      if (head < n) Stream<Straight>(op, y, head, n, 0);
    } else if (kGoesStraight<T, Op> && before == 0) {
      Stream<Straight>(op, y, 0, n, 0);
    } else {
      Stream<Rotation>(op, y, 0, n, before);
    }
  }

 private:
  // Rotation by no lanes.
  struct Straight {
    HWY_INLINE explicit Straight(size_t) {}
    HWY_INLINE V operator()(V v) const { return v; }
    HWY_INLINE V Join(V, V v) const { return v; }
  };

  HWY_INLINE void Begin(T* y, size_t before) {
    if (y == end_) return;
    Flush();
    first_ = before;
  }
  // The first n elements of a run, which end with the vector in which it begins or within; `whole`:
  // a whole vector of elements is there.
  template <class Op>
  HWY_INLINE void WriteHead(const Op& op, T* y, int64_t n, bool whole, size_t before) {
    const Rotation rotate(before);
    const V v = rotate(whole ? Out::Of(op, 0) : Out::Of(op, 0, static_cast<size_t>(n)));
    const V both = rotate.Join(hn::Load(typename Out::D(), left_), v);
    held_ = before + static_cast<size_t>(n), end_ = y + n;
    if (held_ < kWidth) return hn::Store(both, typename Out::D(), left_);
    StoreLanes(both, y - before, first_, kWidth);
    first_ = held_ = 0;
  }

  // Elements [i, n) of a run.
  template <class Rotate, class Op>
  HWY_INLINE void Stream(const Op& op, T* y, int64_t i, int64_t n, size_t before) {
    const typename Out::D d;
    T* out = y - before;  // a whole vector; its first lanes are in `left`
    const Rotate rotate(before);
    V left = hn::Load(d, left_);
    if (std::is_same_v<Rotate, Rotation> && first_ != 0 &&
        n >= kStep) {  // the vector begins before anything that is written here
      const V v = rotate(Out::Of(op, 0));
      StoreLanes(rotate.Join(left, v), out, first_, kWidth);
      left = v, first_ = 0, i = kStep;
    }
    // Loads of 128 bytes before their stores: where x and y lie alike in their pages, a load that
    // follows the store beside it waits for that store (a third of the speed at [8192,768] on Zen
    // 4). Of twice as many Zen 5 writes 4 % less a second.
    constexpr int64_t kFit = 128 / (kStep * static_cast<int64_t>(sizeof(T)));
    constexpr int64_t kTogether = std::min<int64_t>(kFit, 4);
    for (; i + kTogether * kStep <= n; i += kTogether * kStep) {
      V v[kTogether];
      for (int64_t k = 0; k < kTogether; ++k) v[k] = rotate(Out::Of(op, i + k * kStep));
      for (int64_t k = 0; k < kTogether; ++k) {
        Out::Stream(rotate.Join(left, v[k]), out + i + k * kStep);
        left = v[k];
      }
    }
    for (; i + kStep <= n; i += kStep) {
      const V v = rotate(Out::Of(op, i));
      Out::Stream(rotate.Join(left, v), out + i);
      left = v;
    }
    size_t held = before;
    if (const auto rest = static_cast<size_t>(n - i); rest != 0) {
      const V v = rotate(Out::Of(op, i, rest)), both = rotate.Join(left, v);
      held += rest;
      left = held < kWidth ? both : v;
      if (held >= kWidth) {
        StoreLanes(both, out + i, first_, kWidth);
        held -= kWidth, first_ = 0;
      }
    }
    hn::Store(left, d, left_);
    held_ = held, end_ = y + n;
  }

  // Lanes [first, last) to a vector that begins at `out`.
  HWY_INLINE static void StoreLanes(V v, T* out, size_t first, size_t last) {
    if (first == 0 && last == kWidth) return Out::Stream(v, out);
    HWY_ALIGN T lanes[kWidth];
    Out::Store(v, lanes);
    std::copy(lanes + first, lanes + last, out + first);
  }

  void Flush() {
    if (held_ > first_) StoreLanes(hn::Load(typename Out::D(), left_), end_ - held_, first_, held_);
    first_ = held_ = 0, end_ = nullptr;
  }

  // Lanes [first_, held_) of the vector in which the last run ended, at end_.
  HWY_ALIGN hn::TFromD<typename Out::D> left_[hn::MaxLanes(typename Out::D())] = {};
  size_t first_ = 0, held_ = 0;
  T* end_ = nullptr;
  const bool stream_;
};

// What is in a buffer already.
template <class T>
struct Buffered {
  const T* values;
  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    return p.Load(values);
  }
};

// n values to elements from `first` on, where they are wanted.
inline HWY_NOINLINE void WriteBuffered(const float* values, float* to, int64_t first, int64_t n,
                                       RunWriter<float>& writer) {
  if (to) writer.Write(Buffered<float>{values}, to + first, n);
}

// Runs [first, last), some elements of each in turn: what belongs to a position of the run rather
// than to the run (parameters) is used again while it is in the L1 cache. Pieces end with cache
// lines, none behind that of the run before: wherever the array begins, what belongs to a position
// meets the runs in their order, as sums of parameters have to.
template <class T, class Part>
HWY_INLINE void TileRuns(int64_t length, int64_t first, int64_t last, const Part& part,
                         RunWriter<T>& writer) {
  constexpr int64_t kTile = 1024, kLine = 64 / sizeof(T);
  for (int64_t begin = 0; begin < length; begin += kTile) {
    int64_t end = begin + kTile;
    for (int64_t run = first; run < last; ++run) {
      const auto run_start = reinterpret_cast<uintptr_t>(part.Out(run * length)) / sizeof(T);
      end -= (end + static_cast<int64_t>(run_start % kLine)) % kLine;
      const int64_t from = begin == 0 ? 0 : end - kTile;
      const int64_t to = begin + kTile >= length ? length : end;
      part(run, from, to, writer);
    }
  }
}

// Runs [first, last), which lie one behind the other, whichever way is best.
// part(run, begin, end, writer) writes elements [begin, end) of a run; part.Out(at) is where
// element `at` goes.
template <class T, class Part>
HWY_INLINE void WriteRuns(const Job& job, int64_t first, int64_t last, const Part& part,
                          RunWriter<T>& writer) {
  const int64_t length = job.geometry->run_length;
  for (int64_t run = first; run < last; run += job.tiled_runs) {
    const int64_t end = std::min(run + job.tiled_runs, last);
    if (end - run > 1)
      TileRuns(length, run, end, part, writer);
    else
      part(run, 0, length, writer);
  }
}

// write(run, end) for the runs of units [first, last) of rows: those of neighbouring units that lie
// side by side at once.
template <class Write>
HWY_INLINE void ForRunsOfUnits(const Job& job, int64_t first, int64_t last, const Write& write) {
  const Nest& nest = job.geometry->statistics;
  const int64_t length = job.geometry->run_length;
  for (int64_t unit = first, next; unit < last; unit = next) {
    const int64_t begin = nest.kept.Offset(unit);
    for (next = unit + 1; next < last; ++next)
      if (nest.kept.Offset(next) != begin + (next - unit) * nest.inner) break;
    for (int64_t s = 0; s < nest.reduced.size(); ++s) {
      const int64_t run = (begin + nest.reduced.Offset(s)) / length;
      write(run, run + (next - unit) * nest.inner / length);
    }
  }
}

// Units [first, last) of rows.
template <class T, class Part>
HWY_INLINE void WriteUnits(const Job& job, int64_t first, int64_t last, const Part& part,
                           RunWriter<T>& writer) {
  ForRunsOfUnits(job, first, last, [&](int64_t run, int64_t end) HWY_ATTR {
    WriteRuns(job, run, end, part, writer);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_WRITE_RUN_INL_H_
