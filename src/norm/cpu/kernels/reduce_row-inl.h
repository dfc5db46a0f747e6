// Moments of a set of contiguous runs: f32 sums over virtual lanes, shifted, block by block.
#if defined(NORMKIT_REDUCE_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_REDUCE_ROW_INL_H_
#undef NORMKIT_REDUCE_ROW_INL_H_
#else
#define NORMKIT_REDUCE_ROW_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "normkit/core/moments.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/fold_lanes-inl.h"
#include "src/norm/cpu/kernels/products-inl.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/norm/cpu/kernels/units-inl.h"
#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {
using namespace simd::HWY_NAMESPACE;

// How many numbers are added up before their sum goes to the sum so far. So a small number is
// rounded beside seven others, not beside all: 31 equal squares on top of one that is a thousand
// times as large, all rounded alike, were off by 2.3 times the bound.
inline constexpr int64_t kAdditions = 8;

// Two sums per lane, of `first` and `second` for each element. By twos a vector has the virtual
// lanes of even places, the next one those of odd places.
template <class R, bool kByTwos = false>
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
  // beyond it have to be zero. Parts in registers: faster where runs are short, and larger.
  template <bool kInRegisters = false, class Op>
  HWY_INLINE void AddRun(const Op& op, int64_t n) {
    constexpr auto kStep = static_cast<int64_t>(2 * kLanes<R>);
    int64_t i = 0;
    while (i + kStep <= n) {
      const int64_t steps = std::min((n - i) / kStep, Room());
      count_ += steps;
      for (const int64_t end = i + steps * kStep; i < end; i += kStep) {
        HWY_UNROLL(16)
        for (size_t u = 0; u < kVectors; u += kByTwos ? 2 : 1)
          AddTwo(op, i + static_cast<int64_t>(u * kWidth), u);
      }
    }
    for (; i < n; i += static_cast<int64_t>(kLanes<R>)) {
      Room();
      if constexpr (kInRegisters)
        AddPartInRegisters(op, i, n);
      else
        AddPart(op, i, std::min(n, i + static_cast<int64_t>(kLanes<R>)));
    }
  }

#if HWY_TARGET <= HWY_AVX2
  // Runs of at most two elements for each lane have FoldRun<kUsed, kTwice>, where f gets both as
  // constants.
  static constexpr int64_t kMostFolded = 2 * kLanes<R>;
  template <class F>
  HWY_INLINE static void WithFold(int64_t n, const F& f) {
    static_assert(!kByTwos);
    constexpr auto kStep = static_cast<int64_t>(kWidth);
    using Once = std::false_type;
    if (n <= kStep) return f(std::integral_constant<size_t, 1>(), Once());
    if constexpr (kVectors > 2)
      if (n <= 2 * kStep) return f(std::integral_constant<size_t, 2>(), Once());
    constexpr std::integral_constant<size_t, kVectors> kAll;
    if (n <= static_cast<int64_t>(kLanes<R>)) return f(kAll, Once());
    f(kAll, std::true_type());
  }
  // What FoldToVector makes of both sums of a run. Of the first kUsed vectors: those behind them
  // are zero. Lanes have a second element if kTwice.
  template <size_t kUsed, bool kTwice, class Op>
  HWY_INLINE static void FoldRun(const Op& op, int64_t n, double* first, double* second) {
    const auto zero = hn::Zero(D());
    V one[kUsed], two[kUsed];
    HWY_UNROLL(4)
    for (size_t u = 0; u < kUsed; ++u) {
      const auto terms = TermsOf(op, static_cast<int64_t>(u * kWidth), n);
      one[u] = hn::Add(zero, terms.first), two[u] = hn::Add(zero, terms.second);
      if constexpr (kTwice) {
        const auto more = TermsOf(op, static_cast<int64_t>(kLanes<R> + u * kWidth), n);
        one[u] = hn::Add(one[u], more.first), two[u] = hn::Add(two[u], more.second);
      }
    }
    FoldTo(one, first);
    FoldTo(two, second);
  }

  // Both in one vector of f64 each, flushed or not; by twos in two, of even places and of odd ones.
  HWY_INLINE void Fold(double* first, double* second) {
    if (begun_) {
      HWY_UNROLL(4)
      for (size_t u = 0; u < kVectors; ++u) {
        first_[u] = hn::Add(hn::Load(D(), totals_ + u * kWidth), first_[u]);
        second_[u] = hn::Add(hn::Load(D(), totals_ + kLanes<R> + u * kWidth), second_[u]);
      }
    }
    if constexpr (kByTwos) {
      FoldPlacesTo(first_, first);
      FoldPlacesTo(second_, second);
    } else {
      FoldTo(first_, first);
      FoldTo(second_, second);
    }
  }
  HWY_INLINE static void FoldPlacesTo(const V (&lanes)[kVectors], double* to) {
    V even[kVectors / 2], odd[kVectors / 2];
    HWY_UNROLL(2)
    for (size_t u = 0; u < kVectors / 2; ++u) even[u] = lanes[2 * u], odd[u] = lanes[2 * u + 1];
    FoldTo(even, to);
    FoldTo(odd, to + hn::MaxLanes(hn::ScalableTag<double>()));
  }

  // As FoldToVector.
  template <size_t kUsed>
  HWY_INLINE static void FoldTo(const V (&lanes)[kUsed], double* to) {
    const hn::ScalableTag<double> wide;
    const hn::Half<D> half;
    hn::Vec<hn::ScalableTag<double>> sums[2 * kUsed];
    HWY_UNROLL(4)
    for (size_t u = 0; u < kUsed; ++u) {
      sums[2 * u] = hn::PromoteTo(wide, hn::LowerHalf(half, lanes[u]));
      sums[2 * u + 1] = hn::PromoteTo(wide, hn::UpperHalf(half, lanes[u]));
    }
    HWY_UNROLL(4)
    for (size_t count = kUsed; count >= 1; count /= 2) {
      HWY_UNROLL(4)
      for (size_t v = 0; v < count; ++v) sums[v] = hn::Add(sums[v], sums[v + count]);
    }
    hn::Store(sums[0], wide, to);
  }
#endif

  // Elements [i, n), at most one for each lane; no more than kMost times in a row. By way of
  // memory, for registers have no index; by twos without.
  template <class Op>
  HWY_INLINE void AddPart(const Op& op, int64_t i, int64_t n) {
    if constexpr (kByTwos) return AddPartByTwos(op, i, n);
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

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  template <class Op>
  HWY_INLINE static void TermsOfTwo(const Op& op, int64_t i, V* first, V* second) {
    op(PlacesOfTwo<false>{i}, first, second);
    op(PlacesOfTwo<true>{i}, first + 1, second + 1);
  }
  template <class Op>
  HWY_INLINE void AddPartByTwos(const Op& op, int64_t i, int64_t n) {
    HWY_UNROLL(2)
    for (size_t u = 0; u < kVectors; u += 2, i += static_cast<int64_t>(2 * kWidth)) {
      V first[2] = {hn::Zero(D()), hn::Zero(D())}, second[2] = {first[0], first[0]};
      if (const int64_t left = n - i; left >= static_cast<int64_t>(2 * kWidth)) {
        TermsOfTwo(op, i, first, second);
      } else if (left > 0) {
        op(PlacesOfPart<false>{i, static_cast<size_t>(left)}, first, second);
        op(PlacesOfPart<true>{i, static_cast<size_t>(left)}, first + 1, second + 1);
      }
      for (size_t odd = 0; odd < 2; ++odd) {
        first_[u + odd] = hn::Add(first_[u + odd], first[odd]);
        second_[u + odd] = hn::Add(second_[u + odd], second[odd]);
      }
    }
    ++count_;
  }
#endif

  template <class Op>
  HWY_INLINE void AddPartInRegisters(const Op& op, int64_t i, int64_t n) {
    static_assert(!kByTwos);
    HWY_UNROLL(4)
    for (size_t u = 0; u < kVectors; ++u, i += static_cast<int64_t>(kWidth)) {
      const auto [first, second] = TermsOf(op, i, n);
      first_[u] = hn::Add(first_[u], first);
      second_[u] = hn::Add(second_[u], second);
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
  HWY_INLINE double First() const { return Fold(totals_); }
  HWY_INLINE double Second() const { return Fold(totals_ + kLanes<R>); }

 private:
  HWY_INLINE static double Fold(const R* lanes) {
    if constexpr (kByTwos) return FoldPairs(lanes);
    return FoldLanes(lanes);
  }
  // Of each lane that element and the next one.
  template <class Op>
  HWY_INLINE void AddTwo(const Op& op, int64_t i, size_t u) {
    if constexpr (kByTwos) {
      V first[2], second[2], next_first[2], next_second[2];
      TermsOfTwo(op, i, first, second);
      TermsOfTwo(op, i + static_cast<int64_t>(kLanes<R>), next_first, next_second);
      for (size_t odd = 0; odd < 2; ++odd) {
        first_[u + odd] = hn::Add(first_[u + odd], hn::Add(first[odd], next_first[odd]));
        second_[u + odd] = hn::Add(second_[u + odd], hn::Add(second[odd], next_second[odd]));
      }
      return;
    }
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
  struct Two {
    V first, second;
  };
  // Elements [i, n), at most as many as a vector has.
  template <class Op>
  HWY_INLINE static Two TermsOf(const Op& op, int64_t i, int64_t n) {
    Two terms = {hn::Zero(D()), hn::Zero(D())};
    if (const int64_t left = n - i; left >= static_cast<int64_t>(kWidth))
      op(WholeVector<R>{i}, &terms.first, &terms.second);
    else if (left > 0)
      op(PartOfVector<R>{i, static_cast<size_t>(left)}, &terms.first, &terms.second);
    return terms;
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
  Products<Real<T>> product = {};

  template <class Part>
  HWY_INLINE void operator()(Part p, V* first, V* second) const {
    p.Fetch(x, ahead);
    Take(p.Load(x), first, second);
    if constexpr (kCenter) *first = p.Keep(*first), *second = p.Keep(*second);
  }

 private:
  HWY_INLINE void Take(V of, V* first, V* second) const {
    const V value = kScaled ? product(of, scale) : of;
    *first = kCenter ? hn::Sub(value, shift) : hn::Zero(Tag<T>());
    *second = kCenter ? product(*first, *first) : product(value, value);
  }
};

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

  // Sums of x / factor, where `squares` are finite; else there is no mean.
  struct Anew {
    double shift, sum, squares, factor;
    Moments Get(double n) const {
      const double m2 = std::max(0.0, squares - sum * (sum / n));
      return {n, (shift + sum / n) * factor, m2 * factor * factor};
    }
  };
  // Of a block whose sums are not good: around its own mean, or scaled.
  HWY_NOINLINE static Anew SumAnew(const RowBlocks& blocks, const UnitOf<T>& unit,
                                   const Block& block, double n, R shift, double sum,
                                   double squares) {
    // A shift is finite where all of its elements are, and squares of those are no NaN.
    if (std::isnan(squares) || !std::isfinite(shift)) return {0, 0, kNan, 1};
    if (const R scale = ScaleFor<R>(n, squares); scale != 1)
      return SumScaled(blocks, unit, block, n, scale);
    double own = static_cast<double>(shift);
    if (kCenter && std::isfinite(squares)) {
      const R moved = static_cast<R>(own + sum / n);
      Sum(blocks, unit, block, moved, 0, &sum, &squares);
      own = static_cast<double>(moved);
    }
    return {own, sum, squares, 1};
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
    using Sums = LaneSums<R, kPaired<T>>;
    HWY_ALIGN R totals[Sums::kSize];
    Sums sums(totals);
    RoomFor<T, RowBlocks::kBlock> room;
    T* row = room.get();
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
    RoomFor<T, 2 * RowBlocks::kMostAdditions> room;
    T* row = room.get();
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
    const Anew anew = SumAnew(*blocks_, unit_, block, n, shift_, sum, squares);
    if (!std::isfinite(anew.squares)) return chunk_.Merge({n, kNan, kNan});
    if (anew.factor != 1) return chunk_.Merge(anew.Get(n));
    shift_ = static_cast<R>(anew.shift);
    shifted_.Add(n, anew.sum, anew.squares);
  }

  // Of a block whose squares leave the range.
  HWY_NOINLINE static Anew SumScaled(const RowBlocks& blocks, const UnitOf<T>& unit,
                                     const Block& block, double n, R scale) {
    const auto v = hn::Set(D(), scale);
    R shift = kCenter ? GuessOf(blocks, unit, block,
                                Deviations<T, true, true>{nullptr, hn::Zero(D()), 0, v})
                      : R(0);
    double sum = 0, squares = 0;
    for (int pass = 0; pass < 2; ++pass) {
      Add(blocks, unit, block, Deviations<T, kCenter, true>{nullptr, hn::Set(D(), shift), 0, v},
          &sum, &squares);
      if (!kCenter || !(sum * sum > 0.75 * n * squares)) break;
      shift = static_cast<R>(static_cast<double>(shift) + sum / n);
    }
    return {static_cast<double>(shift), sum, squares, 1 / static_cast<double>(scale)};
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
