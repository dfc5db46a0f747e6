// Rows of f32 and bf16 that are longer than few_vectors-inl.h takes: those of one block summed side
// by side; of f32, those that share all parameters written one by one without asking for each what
// all are.
#if defined(NORMKIT_LONG_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_LONG_ROWS_INL_H_
#undef NORMKIT_LONG_ROWS_INL_H_
#else
#define NORMKIT_LONG_ROWS_INL_H_
#endif

#include <algorithm>

#include "src/norm/cpu/kernels/apply-inl.h"
#include "src/norm/cpu/kernels/few_vectors-inl.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Whether ends of sums of blocks are folded together.
template <class T>
inline constexpr bool kFoldsBlocks = (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3) &&
                                     (std::is_same_v<T, float> || kPaired<T>);

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

// Sums of rows of n elements, to the bit those of RowMoments; ends of sums are folded together.
template <class T, bool kCenter>
class BlockRows {
  using D = Tag<T>;
  using Sums = LaneSums<float, kPaired<T>>;
  static constexpr auto kAll = static_cast<int64_t>(kLanes<float>);
  static constexpr int64_t kParts = kPaired<T> ? 2 : 1;  // vectors that a sum of a row ends in
  static constexpr int64_t kEnd = kParts * kWideLanes;

 public:
  // Of at least two rows.
  static bool Suits(int64_t n, int64_t count) {
    return count > 1 && n >= kAll && n <= RowBlocks::kBlock;
  }

  // Of `count` rows; false where they are no good. Of bf16 fetches what lies `ahead`
  // elements behind.
  static HWY_NOINLINE bool Add(const RowsAt<const T>& x, int64_t n, int64_t count, int64_t ahead,
                               SmallSums& sums) {
    HWY_ALIGN double first[kMaxGroup * kEnd], second[kMaxGroup * kEnd];
    if (kCenter) {
      for (int64_t u = 0; u < count; ++u)
        FewVectors<T, true>::FoldShift(x[u], first + u * kWideLanes);
      ShiftsOfRows(first, count, sums.shift);
    }
    for (int64_t u = 0; u < count; ++u)
      AddOne(x[u], n, static_cast<float>(sums.shift[u]), ahead, first + u * kEnd,
             second + u * kEnd);
    if (kCenter) FoldEnds(first, count, sums.sum);
    FoldEnds(second, count, sums.squares);
    return AreAllGood<kCenter>(static_cast<double>(n), count, sums);
  }

  // Moments of a row of n elements, more than a block and at most a chunk, into `moments`; false
  // where one of its blocks is no good. What the end of a block's sum waits for others fill.
  // prepare(begin, end) makes a part of x before it is read: each once, whatever comes of it.
  template <class Prepare>
  static HWY_INLINE bool AddChunk(const T* x, int64_t n, int64_t ahead, const Prepare& prepare,
                                  Moments* moments) {
    constexpr int64_t kBlock = RowBlocks::kBlock;
    HWY_ALIGN double first[kMaxGroup * kEnd], second[kMaxGroup * kEnd];
    HWY_ALIGN double sums[kMaxGroup] = {}, squares[kMaxGroup], shift[kWideLanes] = {};
    prepare(0, kBlock);
    if (kCenter) {
      FewVectors<T, true>::FoldShift(x, first);
      ShiftsOfRows(first, 1, shift);
    }
    OrderedSum sum(false), of_squares(false);
    bool good = true;
    for (int64_t begin = 0; begin < n; begin += kMaxGroup * kBlock) {
      const int64_t all = std::min(n - begin, kMaxGroup * kBlock);
      const int64_t count = (all + kBlock - 1) / kBlock;
      const auto length = [&](int64_t u) { return std::min(kBlock, all - u * kBlock); };
      for (int64_t u = 0; u < count; ++u) {
        const int64_t at = begin + u * kBlock;
        if (at > 0) prepare(at, at + length(u));
        AddOne(x + at, length(u), static_cast<float>(shift[0]), ahead, first + u * kEnd,
               second + u * kEnd);
      }
      if (kCenter) FoldEnds(first, count, sums);
      FoldEnds(second, count, squares);
      for (int64_t u = 0; u < count; ++u) {
        good &= RowMoments<T, kCenter>::IsGood(static_cast<double>(length(u)), sums[u], squares[u]);
        sum.Add(sums[u]), of_squares.Add(squares[u]);
      }
    }
    const auto of = static_cast<double>(n);
    const double offset = sum.Get() / of;
    *moments = {of, shift[0] + offset, std::max(0.0, of_squares.Get() - sum.Get() * offset)};
    return good;
  }

 private:
  static HWY_NOINLINE void AddOne(const T* x, int64_t n, float shift, int64_t ahead, double* first,
                                  double* second) {
    HWY_ALIGN float totals[Sums::kSize];
    Sums lanes(totals);
    lanes.template AddRun<!kPaired<T>>(
        Deviations<T, kCenter>{x, hn::Set(D(), shift), kPaired<T> ? ahead : 0}, n);
    lanes.Fold(first, second);
  }

  static HWY_INLINE void FoldEnds(double* HWY_RESTRICT ends, int64_t count,
                                  double* HWY_RESTRICT sums) {
    if constexpr (kParts == 1) return FoldRows(ends, count, sums);
    HWY_ALIGN double parts[kParts * kMaxGroup];
    FoldRows(ends, kParts * count, parts);
    for (int64_t u = 0; u < count; ++u) sums[u] = parts[2 * u] + parts[2 * u + 1];
  }
};

// y of rows in element form that share all parameters, to the bits of ApplyPart.
class AlikeRows {
  using Form = ElementForm<float, false, true>;
  using One = Coefficient<float, false>;
  using Each = Coefficient<float, true>;

 public:
  HWY_INLINE AlikeRows(const ForwardJob& job, int64_t rows)
      : job_(job),
        n_(job.geometry->run_length),
        fits_(rows > 1 && AreRowsAlike(job) && !job.finishes && job.tiled_runs == 1) {}
  HWY_INLINE bool fits() const { return fits_; }
  HWY_INLINE int64_t group() const { return 1; }

  // Rows [first, last).
  HWY_NOINLINE void Write(int64_t first, int64_t last, RunWriter<float>& writer) const {
    job_.relu ? WriteRows<true>(first, last, writer) : WriteRows<false>(first, last, writer);
  }

 private:
  template <bool kRelu>
  HWY_INLINE void WriteRows(int64_t first, int64_t last, RunWriter<float>& writer) const {
    const Each gamma(static_cast<const float*>(job_.gamma));
    const Each beta(static_cast<const float*>(job_.beta));
    const auto xs = job_.x.Rows<float>(first * n_, n_);
    const auto ys = job_.y.Rows<float>(first * n_, n_);
    const float* x = xs.first;
    float* y = ys.first;
    for (int64_t row = first; row < last; ++row, x += xs.step, y += ys.step) {
      if (!kRelu && job_.by_root) {
        const auto r = hn::Set(Tag<float>(), static_cast<float>(job_.rstd[row]));
        writer.Write(ByRoot<float>{x, r, gamma.values, job_.ahead}, y, n_);
        continue;
      }
      const auto k = CoefficientsOfStat<float>(job_.mean[row], job_.rstd[row]);
      const Form form{One(&k.hi), One(&k.r), One(&k.e), gamma, beta};
      writer.Write(Normalize<float, Form, kRelu>{x, form, job_.ahead}, y, n_);
    }
  }

  const ForwardJob& job_;
  const int64_t n_;
  const bool fits_;
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_LONG_ROWS_INL_H_
