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

#include "normkit/core/moments.h"
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

// The lanes in one f64: upper half onto lower half, down to one, which any vector width can keep.
template <class R>
HWY_INLINE double FoldLanes(const R* HWY_RESTRICT lanes) {
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
  return FoldVector(d, sums[0]);
}

// Two sums per lane, of `first` and `second` for each element.
template <class R>
class LaneSums {
  using D = hn::ScalableTag<R>;
  using V = hn::Vec<D>;
  static constexpr size_t kWidth = hn::MaxLanes(D());
  static constexpr size_t kVectors = kLanes<R> / kWidth;

 public:
  HWY_INLINE LaneSums() {
    for (size_t u = 0; u < kVectors; ++u) first_[u] = second_[u] = hn::Zero(D());
  }

  // Sums as Store left them: the first of every lane, then the second.
  HWY_INLINE void Load(const R* HWY_RESTRICT lanes) {
    for (size_t u = 0; u < kVectors; ++u) {
      first_[u] = hn::LoadU(D(), lanes + u * kWidth);
      second_[u] = hn::LoadU(D(), lanes + kLanes<R> + u * kWidth);
    }
  }
  HWY_INLINE void Store(R* HWY_RESTRICT lanes) const {
    for (size_t u = 0; u < kVectors; ++u) {
      hn::StoreU(first_[u], D(), lanes + u * kWidth);
      hn::StoreU(second_[u], D(), lanes + kLanes<R> + u * kWidth);
    }
  }

  // op(vector, &first, &second) for whole vectors of elements and for the rest, of which the lanes
  // beyond it have to be zero. A run that fits into half of the lanes may go into the
  // `second_half`.
  template <class Op>
  HWY_INLINE void AddRun(const Op& op, int64_t n, bool second_half = false) {
    constexpr auto kStep = static_cast<int64_t>(kLanes<R>);
    int64_t i = 0;
    V first, second;
    for (; i + kStep <= n; i += kStep) {
      HWY_UNROLL(16)
      for (size_t u = 0; u < kVectors; ++u) {
        op(WholeVector<R>{i + static_cast<int64_t>(u * kWidth)}, &first, &second);
        first_[u] = hn::Add(first_[u], first);
        second_[u] = hn::Add(second_[u], second);
      }
    }
    for (size_t u = second_half ? kVectors / 2 : 0; i < n; ++u, i += kWidth) {
      if (const int64_t left = n - i; left >= static_cast<int64_t>(kWidth))
        op(WholeVector<R>{i}, &first, &second);
      else
        op(PartOfVector<R>{i, static_cast<size_t>(left)}, &first, &second);
      first_[u] = hn::Add(first_[u], first);
      second_[u] = hn::Add(second_[u], second);
    }
  }

  HWY_INLINE double First() const { return Fold(first_); }
  HWY_INLINE double Second() const { return Fold(second_); }

 private:
  HWY_INLINE static double Fold(const V* vectors) {
    HWY_ALIGN R lanes[kLanes<R>];
    for (size_t u = 0; u < kVectors; ++u) hn::Store(vectors[u], D(), lanes + u * kWidth);
    return FoldLanes(lanes);
  }

  V first_[kVectors], second_[kVectors];
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

// Gathers the moments of one unit, a block at a time, so that other work can go between.
template <class T, bool kCenter>
class RowMoments {
  using R = Real<T>;
  using D = Tag<T>;

 public:
  void Start(const RowBlocks& blocks, const T* unit, int64_t ahead, int64_t first_block = 0) {
    blocks_ = &blocks;
    unit_ = unit;
    ahead_ = ahead;
    block_ = first_block;
    total_ = chunk_ = {};
    shifted_ = {};
  }

  // The next block.
  HWY_INLINE void Step() {
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
    return total_;
  }

  // The steps for units of one block, so that those of several can go side by side.

  // Not inlined: its loop needs the registers.
  HWY_NOINLINE static void Sum(const RowBlocks& blocks, const T* unit, const Block& block, R shift,
                               int64_t ahead, double* sum, double* squares) {
    Add(blocks, unit, block, Deviations<T, kCenter>{nullptr, hn::Set(D(), shift), ahead}, sum,
        squares);
  }

  // A shift near the mean: that of the first lanes. A single element might be the outlier.
  HWY_INLINE static R Guess(const RowBlocks& blocks, const T* unit, const Block& block) {
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
    double n = 0, sum = 0, squares = 0;
    HWY_INLINE void Add(double count, double s, double q) { n += count, sum += s, squares += q; }
  };

  // Both sums of a block, op.x pointing to nothing yet.
  template <class Op>
  HWY_INLINE static void Add(const RowBlocks& blocks, const T* unit, const Block& block, Op op,
                             double* sum, double* squares) {
    LaneSums<R> sums;
    if (HWY_UNLIKELY(blocks.packed())) {
      HWY_ALIGN T row[RowBlocks::kBlock];
      op.x = row;
      sums.AddRun(op, Pack(blocks, unit, block, block.runs, row));
    } else {
      for (int64_t k = 0; k < block.runs; ++k) {
        op.x = unit + blocks.Offset(block, k);
        sums.AddRun(op, block.length);
      }
    }
    *sum = kCenter ? sums.First() : 0;
    *squares = sums.Second();
  }

  // The first runs of a block in a row; how many elements they are.
  HWY_INLINE static int64_t Pack(const RowBlocks& blocks, const T* unit, const Block& block,
                                 int64_t runs, T* HWY_RESTRICT row) {
    int64_t n = 0;
    for (int64_t k = 0; k < runs; ++k) {
      const T* x = unit + blocks.Offset(block, k);
      for (int64_t i = 0; i < block.length; ++i) row[n++] = x[i];
    }
    return n;
  }

  template <class Op>
  HWY_INLINE static R GuessOf(const RowBlocks& blocks, const T* unit, const Block& block, Op op) {
    constexpr auto kMost = static_cast<int64_t>(kLanes<R>);
    HWY_ALIGN T row[2 * RowBlocks::kMostAdditions];
    int64_t n = block.length;
    op.x = unit + blocks.Offset(block, 0);
    if (blocks.packed()) {
      n = Pack(blocks, unit, block, std::min(block.runs, (kMost + n - 1) / n), row);
      op.x = row;
    }
    n = std::min(n, kMost);
    LaneSums<R> sums;
    sums.AddRun(op, n);
    return static_cast<R>(sums.First() / static_cast<double>(n));
  }

  // The block is still in the cache; sum again around its own mean, which serves the blocks after
  // it too, or scaled. What is NaN stays it.
  HWY_NOINLINE void AddAnew(const Block& block, double n, double sum, double squares) {
    EndShift();
    if (std::isnan(chunk_.mean) || std::isnan(total_.mean)) return chunk_.Merge({n, kNan, kNan});
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
    const auto [n, sum, squares] = shifted_;
    if (n == 0) return;
    const double shift = kCenter ? static_cast<double>(shift_) : 0;
    chunk_.Merge({n, shift + sum / n, std::max(0.0, squares - sum * (sum / n))});
    shifted_ = {};
  }

  HWY_INLINE void EndChunk() {
    EndShift();
    total_.Merge(chunk_);
    chunk_ = {};
  }

  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

  const RowBlocks* blocks_ = nullptr;
  const T* unit_ = nullptr;
  int64_t ahead_ = 0;
  int64_t block_ = 0;
  R shift_ = 0;
  Shifted shifted_;
  Moments chunk_, total_;
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_REDUCE_ROW_INL_H_
