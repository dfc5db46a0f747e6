// Moments of a set of contiguous runs: f32 sums over virtual lanes, shifted, block by block.
#if defined(NORMKIT_REDUCE_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_REDUCE_ROW_INL_H_
#undef NORMKIT_REDUCE_ROW_INL_H_
#else
#define NORMKIT_REDUCE_ROW_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "normkit/core/moments.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

// Sums run over this many lanes whatever the width of a vector, so that every target has the same
// bits: 128 bytes are two vectors of AVX-512, enough to hide the latency of an addition.
template <class R>
inline constexpr size_t kLanes = 128 / sizeof(R);

// The sum of a vector's lanes: upper half onto lower half, down to one.
template <class D>
HWY_INLINE hn::TFromD<D> FoldVector(D, hn::Vec<D> v) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> half;
    return FoldVector(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
#endif
  return hn::GetLane(v);
}

// The lanes in one vector of f64: upper half onto lower half.
template <class R>
HWY_INLINE hn::Vec<hn::ScalableTag<double>> FoldToVector(const R* HWY_RESTRICT lanes) {
  using D = hn::ScalableTag<double>;
  const D d;
  constexpr size_t kWidth = hn::MaxLanes(D()), kVectors = kLanes<R> / kWidth;
  hn::Vec<D> sums[kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    if constexpr (std::is_same_v<R, double>)
      sums[v] = hn::Load(d, lanes + v * kWidth);
    else
      sums[v] = hn::PromoteTo(d, hn::Load(hn::Rebind<R, D>(), lanes + v * kWidth));
  }
  HWY_UNROLL(8)
  for (size_t count = kVectors / 2; count >= 1; count /= 2) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < count; ++v) sums[v] = hn::Add(sums[v], sums[v + count]);
  }
  return sums[0];
}
// In one f64: down to one lane, which any vector width can keep.
template <class R>
HWY_INLINE double FoldLanes(const R* HWY_RESTRICT lanes) {
  return FoldVector(hn::ScalableTag<double>(), FoldToVector(lanes));
}

// Whether sums of several units are folded side by side: one by one everywhere else, to the same
// bits.
template <class R>
inline constexpr bool kFoldsTogether = HWY_TARGET <= HWY_AVX2 && sizeof(R) == 4;

// The sums of the lanes of as many vectors as a vector has lanes, each as FoldVector adds it up.
// Of vectors in the order of kRowsOfFold.
#if HWY_TARGET <= HWY_AVX3
inline constexpr size_t kRowsOfFold[] = {0, 4, 2, 6, 1, 5, 3, 7};
#else
inline constexpr size_t kRowsOfFold[] = {0, 2, 1, 3};
#endif
#if HWY_TARGET <= HWY_AVX2
template <class D, class V>
HWY_INLINE V AddHalves(D d, V a, V b) {
  return hn::Add(hn::ConcatLowerLower(d, b, a), hn::ConcatUpperUpper(d, b, a));
}
// Within blocks of two.
template <class D, class V>
HWY_INLINE V AddPairs(D d, V a, V b) {
  return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
}
template <class D, class V>
HWY_INLINE V FoldVectors(D d, const V* v) {
#if HWY_TARGET <= HWY_AVX3
  const auto quarters = [&](V a, V b) HWY_ATTR {  // blocks of a and b by turns
    return hn::Add(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a),
                   hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a)));
  };
  return AddPairs(d, quarters(AddHalves(d, v[0], v[1]), AddHalves(d, v[2], v[3])),
                  quarters(AddHalves(d, v[4], v[5]), AddHalves(d, v[6], v[7])));
#else
  return AddPairs(d, AddHalves(d, v[0], v[1]), AddHalves(d, v[2], v[3]));
#endif
}

// FoldLanes of `count` sets of lanes, `pitch` numbers apart.
template <class R>
HWY_INLINE void FoldAllLanes(const R* HWY_RESTRICT lanes, size_t pitch, int64_t count,
                             double* HWY_RESTRICT sums) {
  using D = hn::ScalableTag<double>;
  const D d;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  for (int64_t first = 0; first < count; first += kWidth) {
    hn::Vec<D> rows[kWidth];
    for (int64_t i = 0; i < kWidth; ++i) {
      const auto row = std::min(first + static_cast<int64_t>(kRowsOfFold[i]), count - 1);
      rows[i] = FoldToVector(lanes + static_cast<size_t>(row) * pitch);
    }
    hn::StoreU(FoldVectors(d, rows), d, sums + first);
  }
}
#endif

// How many numbers are added up before their sum goes to the sum so far. So a small number is
// rounded beside seven others, not beside all: 31 equal squares on top of one that is a thousand
// times as large, all rounded alike, were off by 2.3 times the bound.
inline constexpr int64_t kAdditions = 8;

// Two sums per lane, of `first` and `second` for each element.
template <class R>
class LaneSums {
  using D = hn::ScalableTag<R>;
  using V = hn::Vec<D>;
  static constexpr size_t kWidth = hn::MaxLanes(D());
  static constexpr size_t kVectors = kLanes<R> / kWidth;
  static constexpr int64_t kMost = kAdditions / 2;  // of two numbers each

 public:
  static constexpr size_t kSize = 2 * kLanes<R>;

  // `totals` are kSize numbers, of what was added before: the first sum of every lane, then the
  // second. Nothing was, and they are not read, where they are not `begun`.
  HWY_INLINE explicit LaneSums(R* HWY_RESTRICT totals, bool begun = false)
      : totals_(totals), begun_(begun) {
    Clear();
  }

  // op(vector, &first, &second) for whole vectors of elements and for the rest, of which the lanes
  // beyond it have to be zero.
  template <class Op>
  HWY_INLINE void AddRun(const Op& op, int64_t n) {
    constexpr auto kStep = static_cast<int64_t>(2 * kLanes<R>);
    int64_t i = 0;
    while (i + kStep <= n) {
      const int64_t steps = std::min((n - i) / kStep, Room());
      count_ += steps;
      for (const int64_t end = i + steps * kStep; i < end; i += kStep) {
        HWY_UNROLL(16)
        for (size_t u = 0; u < kVectors; ++u) AddTwo(op, i + static_cast<int64_t>(u * kWidth), u);
      }
    }
    for (; i < n; i += static_cast<int64_t>(kLanes<R>)) {
      Room();
      AddPart(op, i, std::min(n, i + static_cast<int64_t>(kLanes<R>)));
    }
  }

  // AddRun and Flush of the first run of at most one element for each lane.
  template <class Op>
  HWY_INLINE void SetPart(const Op& op, int64_t n) {
    const auto zero = hn::Zero(D());
    int64_t i = 0;
    HWY_UNROLL(16)
    for (size_t u = 0; u < kVectors; ++u, i += static_cast<int64_t>(kWidth)) {
      V first = zero, second = zero;
      if (i + static_cast<int64_t>(kWidth) <= n)
        op(WholeVector<R>{i}, &first, &second);
      else if (i < n)
        op(PartOfVector<R>{i, static_cast<size_t>(n - i)}, &first, &second);
      hn::Store(hn::Add(zero, first), D(), totals_ + i);
      hn::Store(hn::Add(zero, second), D(), totals_ + kLanes<R> + i);
    }
  }

  // Elements [i, n), at most one for each lane; no more than kMost times in a row. By way of
  // memory: registers have no index.
  template <class Op>
  HWY_INLINE void AddPart(const Op& op, int64_t i, int64_t n) {
    HWY_ALIGN R terms[kSize];
    for (size_t at = 0; at < kSize; at += kWidth) hn::Store(hn::Zero(D()), D(), terms + at);
    V first, second;
    for (size_t at = 0; i < n; at += kWidth, i += kWidth) {
      if (const int64_t left = n - i; left >= static_cast<int64_t>(kWidth))
        op(WholeVector<R>{i}, &first, &second);
      else
        op(PartOfVector<R>{i, static_cast<size_t>(left)}, &first, &second);
      hn::Store(first, D(), terms + at);
      hn::Store(second, D(), terms + kLanes<R> + at);
    }
    HWY_UNROLL(16)
    for (size_t u = 0; u < kVectors; ++u) {
      first_[u] = hn::Add(first_[u], hn::Load(D(), terms + u * kWidth));
      second_[u] = hn::Add(second_[u], hn::Load(D(), terms + kLanes<R> + u * kWidth));
    }
    ++count_;
  }

  // Everything into the totals.
  HWY_INLINE void Flush() {
    HWY_UNROLL(16)
    for (size_t u = 0; u < kVectors; ++u) {
      FlushTo(totals_ + u * kWidth, first_[u]);
      FlushTo(totals_ + kLanes<R> + u * kWidth, second_[u]);
    }
    begun_ = true;
    Clear();
  }

  // The totals over all lanes.
  HWY_INLINE double First() const { return FoldLanes(totals_); }
  HWY_INLINE double Second() const { return FoldLanes(totals_ + kLanes<R>); }

 private:
  // Of each lane that element and the next one.
  template <class Op>
  HWY_INLINE void AddTwo(const Op& op, int64_t i, size_t u) {
    V first, second, next_first, next_second;
    op(WholeVector<R>{i}, &first, &second);
    op(WholeVector<R>{i + static_cast<int64_t>(kLanes<R>)}, &next_first, &next_second);
    first_[u] = hn::Add(first_[u], hn::Add(first, next_first));
    second_[u] = hn::Add(second_[u], hn::Add(second, next_second));
  }
  HWY_INLINE void Clear() {
    HWY_UNROLL(16)
    for (size_t u = 0; u < kVectors; ++u) first_[u] = second_[u] = hn::Zero(D());
    count_ = 0;
  }
  HWY_INLINE void FlushTo(R* HWY_RESTRICT total, V v) const {
    hn::Store(begun_ ? hn::Add(hn::Load(D(), total), v) : v, D(), total);
  }
  // How many additions may follow: at least one.
  HWY_INLINE int64_t Room() {
    if (count_ == kMost) Flush();
    return kMost - count_;
  }

  R* HWY_RESTRICT totals_;
  V first_[kVectors], second_[kVectors];
  int64_t count_ = 0;
  bool begun_;
};

// Squares that leave the range of f32 are of what is scaled by these, exactly.
inline constexpr float kScaleDown = 0x1p-75f, kScaleUp = 0x1p75f;
// The mean of squares below which they have lost digits.
inline constexpr double kTinySquare = 0x1p-100;

// Which of them the squares of n elements call for; 1 where none would help.
template <class R>
HWY_INLINE R ScaleFor(double n, double squares) {
  if constexpr (std::is_same_v<R, float>) {
    if (!std::isfinite(squares)) return kScaleDown;
    if (squares < n * kTinySquare) return kScaleUp;
  }
  return R(1);
}

// x - shift and its square; without centering only the square, of x. Both of x * scale where it is
// scaled.
template <class T, bool kCenter, bool kScaled = false>
struct Deviations {
  using V = Vector<T>;
  const T* x;
  V shift;
  int64_t ahead = 0;
  V scale = hn::Zero(Tag<T>());

  template <class Part>
  HWY_INLINE void operator()(Part p, V* first, V* second) const {
    p.Fetch(x, ahead);
    const V value = kScaled ? hn::Mul(p.Load(x), scale) : p.Load(x);
    *first = kCenter ? p.Keep(hn::Sub(value, shift)) : hn::Zero(Tag<T>());
    *second = kCenter ? hn::Mul(*first, *first) : hn::Mul(value, value);
  }
};

template <class T>
HWY_INLINE double ToDouble(T value) {
  if constexpr (sizeof(T) == 2)
    return ToFloat(value);
  else
    return static_cast<double>(value);
}

// The first and the last W of `bytes`, which may overlap.
template <class W>
HWY_INLINE void CopyEnds(const char* from, char* HWY_RESTRICT to, size_t bytes) {
  W first, last;
  std::memcpy(&first, from, sizeof(W));
  std::memcpy(&last, from + bytes - sizeof(W), sizeof(W));
  std::memcpy(to, &first, sizeof(W));
  std::memcpy(to + bytes - sizeof(W), &last, sizeof(W));
}

// A few elements, at least one: memcpy takes longer than they do.
template <class T>
HWY_INLINE void CopyFew(const T* x, T* HWY_RESTRICT row, int64_t n) {
  const auto bytes = static_cast<size_t>(n) * sizeof(T);
  const auto* from = reinterpret_cast<const char*>(x);
  auto* to = reinterpret_cast<char*>(row);
  if (bytes >= 16) {
    size_t i = 0;
    for (; i + 32 < bytes; i += 16) std::memcpy(to + i, from + i, 16);
    return CopyEnds<std::array<uint64_t, 2>>(from + i, to + i, bytes - i);
  }
  if (bytes >= 8) return CopyEnds<uint64_t>(from, to, bytes);
  if (bytes >= 4) return CopyEnds<uint32_t>(from, to, bytes);
  CopyEnds<uint16_t>(from, to, bytes);
}

// What is reduced together: elements of an array, from `start` on.
template <class T>
class UnitOf {
 public:
  UnitOf() = default;
  HWY_INLINE UnitOf(const InputArray& array, int64_t start)
      : first_(static_cast<const T*>(array.data()) + (array.pitch() ? 0 : start)),
        pitch_(array.pitch()),
        start_(start) {}

  HWY_INLINE const T* At(int64_t offset) const {
    return first_ + (HWY_UNLIKELY(pitch_) ? pitch_->Offset(start_ + offset) : offset);
  }
  // Where `count` of its rows begin, which have these offsets.
  HWY_INLINE void Rows(const int64_t* offsets, int64_t count, const T** rows) const {
    if (HWY_LIKELY(!pitch_))
      for (int64_t i = 0; i < count; ++i) rows[i] = first_ + offsets[i];
    else
      for (int64_t i = 0; i < count; ++i) rows[i] = At(offsets[i]);
  }
  // Null where it is not dense.
  HWY_INLINE const T* dense() const { return pitch_ ? nullptr : first_; }

 private:
  const T* first_ = nullptr;  // of the array, where it has a pitch
  const Pitch* pitch_ = nullptr;
  int64_t start_ = 0;
};

// The first runs of a block in a row; how many elements they are.
template <class T>
HWY_INLINE int64_t Pack(const RowBlocks& blocks, const UnitOf<T>& unit, const Block& block,
                        int64_t runs, T* HWY_RESTRICT row) {
  if (const T* dense = unit.dense()) {
    for (int64_t k = 0; k < runs; ++k)
      CopyFew(dense + blocks.Offset(block, k), row + k * block.length, block.length);
    return runs * block.length;
  }
  for (int64_t k = 0; k < runs; ++k)
    CopyFew(unit.At(blocks.Offset(block, k)), row + k * block.length, block.length);
  return runs * block.length;
}

// Gathers the moments of one unit, a block at a time, so that other work can go between.
template <class T, bool kCenter>
class RowMoments {
  using R = Real<T>;
  using D = Tag<T>;

 public:
  void Start(const RowBlocks& blocks, const UnitOf<T>& unit, int64_t ahead,
             int64_t first_block = 0) {
    blocks_ = &blocks;
    unit_ = unit;
    ahead_ = ahead;
    block_ = first_block;
    total_ = chunk_ = kMerged;
    shifted_ = {};
  }

  // The next block. Not inlined: several callers.
  HWY_NOINLINE void Step() {
    if (block_ % RowBlocks::kChunkBlocks == 0) {
      EndChunk();
      if (kCenter) shift_ = Guess(*blocks_, unit_, blocks_->Get(block_));
    }
    const Block block = blocks_->Get(block_);
    const auto n = static_cast<double>(block.runs * block.length);
    double sum, squares;
    Sum(*blocks_, unit_, block, shift_, ahead_, &sum, &squares);
    if (HWY_LIKELY(IsGood(n, sum, squares)))
      shifted_.Add(n, sum, squares);
    else
      AddAnew(block, n, sum, squares);
    ++block_;
  }

  Moments Finish() {
    EndChunk();
    return total_.Get();
  }

  // The steps for units of one block, so that those of several can go side by side.

  // Not inlined: its loop needs the registers.
  HWY_NOINLINE static void Sum(const RowBlocks& blocks, const UnitOf<T>& unit, const Block& block,
                               R shift, int64_t ahead, double* sum, double* squares) {
    Add(blocks, unit, block, Deviations<T, kCenter>{nullptr, hn::Set(D(), shift), ahead}, sum,
        squares);
  }

  // A shift near the mean: that of the first lanes. A single element might be the outlier.
  HWY_INLINE static R Guess(const RowBlocks& blocks, const UnitOf<T>& unit, const Block& block) {
    return GuessOf(blocks, unit, block, Deviations<T, true>{nullptr, hn::Zero(D())});
  }

  // No digits cancel: the shift lies within 1.7 standard deviations of the mean; and none are lost
  // below the range, where zeros alone are exact. NaN is not good.
  HWY_INLINE static bool IsGood(double n, double sum, double squares) {
    return (!kCenter || sum * sum <= 0.75 * n * squares) &&
           squares <= std::numeric_limits<double>::max() &&
           (sizeof(R) == 8 || squares >= n * kTinySquare || squares == 0);
  }

 private:
  // Sums around one shift, of as many blocks as it serves.
  struct Shifted {
    double n = 0;
    OrderedSum sum = OrderedSum(kExact), squares = OrderedSum(kExact);
    HWY_INLINE void Add(double count, double s, double q) {
      n += count, sum.Add(s), squares.Add(q);
    }
  };

  // Both sums of a block, op.x pointing to nothing yet.
  template <class Op>
  HWY_INLINE static void Add(const RowBlocks& blocks, const UnitOf<T>& unit, const Block& block,
                             Op op, double* sum, double* squares) {
    HWY_ALIGN R totals[LaneSums<R>::kSize];
    LaneSums<R> sums(totals);
    HWY_ALIGN T row[RowBlocks::kBlock];
    const bool packed = blocks.packed();
    const int64_t runs = packed ? 1 : block.runs;
    const int64_t n = packed ? Pack(blocks, unit, block, block.runs, row) : block.length;
    for (int64_t k = 0; k < runs; ++k) {
      op.x = packed ? row : unit.At(blocks.Offset(block, k));
      sums.AddRun(op, n);
    }
    sums.Flush();
    *sum = kCenter ? sums.First() : 0;
    *squares = sums.Second();
  }

  template <class Op>
  HWY_INLINE static R GuessOf(const RowBlocks& blocks, const UnitOf<T>& unit, const Block& block,
                              Op op) {
    constexpr auto kMost = static_cast<int64_t>(kLanes<R>);
    HWY_ALIGN T row[2 * RowBlocks::kMostAdditions];
    int64_t n = block.length;
    op.x = unit.At(blocks.Offset(block, 0));
    if (blocks.packed()) {
      n = Pack(blocks, unit, block, std::min(block.runs, (kMost + n - 1) / n), row);
      op.x = row;
    }
    n = std::min(n, kMost);
    HWY_ALIGN R totals[LaneSums<R>::kSize];
    LaneSums<R> sums(totals);
    sums.AddPart(op, 0, n);
    sums.Flush();
    return static_cast<R>(sums.First() / static_cast<double>(n));
  }

  // The block is still in the cache; sum again around its own mean, which serves the blocks after
  // it too, or scaled. What is NaN stays it.
  HWY_NOINLINE void AddAnew(const Block& block, double n, double sum, double squares) {
    EndShift();
    if (std::isnan(chunk_.Get().mean) || std::isnan(total_.Get().mean))
      return chunk_.Merge({n, kNan, kNan});
    const R scale = ScaleFor<R>(n, squares);
    if (scale != 1) return chunk_.Merge(Scaled(block, n, scale));
    if (kCenter && std::isfinite(squares)) {
      shift_ = static_cast<R>(static_cast<double>(shift_) + sum / n);
      Sum(*blocks_, unit_, block, shift_, 0, &sum, &squares);
    }
    if (!std::isfinite(squares)) return chunk_.Merge({n, kNan, kNan});
    shifted_.Add(n, sum, squares);
  }

  // Moments of a block whose squares leave the range; NaN where an element does.
  HWY_NOINLINE Moments Scaled(const Block& block, double n, R scale) const {
    const auto v = hn::Set(D(), scale);
    R shift = kCenter ? GuessOf(*blocks_, unit_, block,
                                Deviations<T, true, true>{nullptr, hn::Zero(D()), 0, v})
                      : R(0);
    double sum = 0, squares = 0;
    for (int pass = 0; pass < 2; ++pass) {
      Add(*blocks_, unit_, block, Deviations<T, kCenter, true>{nullptr, hn::Set(D(), shift), 0, v},
          &sum, &squares);
      if (!kCenter || !(sum * sum > 0.75 * n * squares)) break;
      shift = static_cast<R>(static_cast<double>(shift) + sum / n);
    }
    if (!std::isfinite(squares)) return {n, kNan, kNan};
    const double mean = kCenter ? static_cast<double>(shift) + sum / n : 0;
    const double m2 = std::max(0.0, squares - sum * (sum / n)),
                 factor = 1 / static_cast<double>(scale);
    return {n, mean * factor, m2 * factor * factor};
  }

  HWY_INLINE void EndShift() {
    const double n = shifted_.n, sum = shifted_.sum.Get(), squares = shifted_.squares.Get();
    if (n == 0) return;
    const double shift = kCenter ? static_cast<double>(shift_) : 0;
    chunk_.Merge({n, shift + sum / n, std::max(0.0, squares - sum * (sum / n))});
    shifted_ = {};
  }

  HWY_INLINE void EndChunk() {
    EndShift();
    total_.Merge(chunk_.Get());
    chunk_ = kMerged;
  }

  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  static constexpr bool kExact = std::is_same_v<R, double>;
  static constexpr OrderedMoments kMerged = OrderedMoments(kExact);

  const RowBlocks* blocks_ = nullptr;
  UnitOf<T> unit_ = {};
  int64_t ahead_ = 0;
  int64_t block_ = 0;
  R shift_ = 0;
  Shifted shifted_;
  OrderedMoments chunk_ = kMerged, total_ = kMerged;
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_REDUCE_ROW_INL_H_
