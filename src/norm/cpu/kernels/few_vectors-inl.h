// Dense rows of a few vectors, side by side: what RowMoments does for one of any length, without
// what it takes to be ready for that.
#if defined(NORMKIT_FEW_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FEW_VECTORS_INL_H_
#undef NORMKIT_FEW_VECTORS_INL_H_
#else
#define NORMKIT_FEW_VECTORS_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/norm/cpu/kernels/narrow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

// Sums of rows of n elements, to the bit those of RowMoments.
template <class T, bool kCenter>
class FewVectors {
  using D = Tag<T>;
  using V = Vector<T>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  static constexpr auto kAll = static_cast<int64_t>(kLanes<float>);
  static constexpr size_t kVectors = static_cast<size_t>(kAll / kWidth);

 public:
  // More than the lanes, and no more than LaneSums adds up in one go: once more is the same, for
  // what goes to the totals then is a single number.
  static bool Suits(int64_t n) { return n > kAll && n <= kAdditions * kAll; }

  // Of `count` rows. Fetches what lies `ahead` elements behind.
  static HWY_NOINLINE void Add(const T* x, int64_t n, int64_t count, int64_t ahead,
                               SmallSums& sums) {
    bool good = true;
    for (int64_t u = 0; u < count && kCenter; ++u) sums.shift[u] = Shift<false>(x + u * n, 1);
    for (int64_t u = 0; u < count; ++u) {
      AddRow<false>(x + u * n, n, ahead, static_cast<float>(sums.shift[u]), 1, &sums.sum[u],
                    &sums.squares[u]);
      good &= IsGood(n, sums, u);
    }
    if (HWY_UNLIKELY(!good)) Mend(x, n, count, sums);
  }

 private:
  static HWY_INLINE bool IsGood(int64_t n, const SmallSums& sums, int64_t u) {
    return RowMoments<T, kCenter>::IsGood(static_cast<double>(n), sums.sum[u], sums.squares[u]);
  }

  // Sums of those that are not good once more, as RowMoments::AddAnew.
  static HWY_NOINLINE void Mend(const T* x, int64_t n, int64_t count, SmallSums& sums) {
    sums.mended = true;
    for (int64_t u = 0; u < count; ++u) {
      sums.factor[u] = 1;
      if (IsGood(n, sums, u)) continue;
      // Else an element is none: a shift is finite where all of its elements are.
      if (!std::isnan(sums.squares[u]) && std::isfinite(sums.shift[u]))
        AddAnew(x + u * n, n, u, sums);
      if (std::isfinite(sums.squares[u])) continue;
      sums.shift[u] = sums.sum[u] = sums.squares[u] = 0;
      sums.factor[u] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  static HWY_INLINE void AddAnew(const T* x, int64_t n, int64_t u, SmallSums& sums) {
    const auto by = static_cast<double>(n);
    double &shift = sums.shift[u], &sum = sums.sum[u], &squares = sums.squares[u];
    const float scale = ScaleFor<float>(by, squares);
    if (scale == 1) shift = static_cast<float>(shift + sum / by);
    if (kCenter && scale != 1) shift = Shift<true>(x, scale);
    AddRow<true>(x, n, 0, static_cast<float>(shift), scale, &sum, &squares);
    if (kCenter && scale != 1 && sum * sum > 0.75 * by * squares) {
      shift = static_cast<float>(shift + sum / by);
      AddRow<true>(x, n, 0, static_cast<float>(shift), scale, &sum, &squares);
    }
    sums.factor[u] = 1 / static_cast<double>(scale);
  }

  template <bool kScaled>
  static HWY_INLINE float Shift(const T* x, float scale) {
    const D d;
    HWY_ALIGN float lanes[kAll];
    HWY_UNROLL(16)
    for (int64_t i = 0; i < kAll; i += kWidth) {
      const V v = LoadAny(d, x + i);
      hn::Store(kScaled ? hn::Mul(v, hn::Set(d, scale)) : v, d, lanes + i);
    }
    return static_cast<float>(FoldLanes(lanes) / static_cast<double>(kAll));
  }

  template <bool kScaled>
  static HWY_INLINE void AddRow(const T* x, int64_t n, int64_t ahead, float around, float scale,
                                double* sum, double* squares) {
    const D d;
    const Deviations<T, kCenter, kScaled> op{x, hn::Set(d, around), ahead, hn::Set(d, scale)};
    V first[kVectors], second[kVectors];
    for (size_t u = 0; u < kVectors; ++u) first[u] = second[u] = hn::Zero(d);
    int64_t i = 0;
    for (; i + 2 * kAll <= n; i += 2 * kAll) {
      HWY_UNROLL(16)
      for (size_t u = 0; u < kVectors; ++u) {
        const int64_t at = i + static_cast<int64_t>(u) * kWidth;
        V one, square, next, next_square;
        op(WholeVector<float>{at}, &one, &square);
        op(WholeVector<float>{at + kAll}, &next, &next_square);
        first[u] = hn::Add(first[u], hn::Add(one, next));
        second[u] = hn::Add(second[u], hn::Add(square, next_square));
      }
    }
    for (; i < n; i += kAll) {
      HWY_UNROLL(16)
      for (size_t u = 0; u < kVectors; ++u) {
        const int64_t at = i + static_cast<int64_t>(u) * kWidth, left = n - at;
        if (left <= 0) break;
        V one, square;
        if (left >= kWidth)
          op(WholeVector<float>{at}, &one, &square);
        else
          op(PartOfVector<float>{at, static_cast<size_t>(left)}, &one, &square);
        first[u] = hn::Add(first[u], one);
        second[u] = hn::Add(second[u], square);
      }
    }
    *sum = kCenter ? Fold(first) : 0;
    *squares = Fold(second);
  }
  static HWY_INLINE double Fold(const V* v) {
    HWY_ALIGN float lanes[kAll];
    HWY_UNROLL(16)
    for (size_t u = 0; u < kVectors; ++u)
      hn::Store(v[u], D(), lanes + u * static_cast<size_t>(kWidth));
    return FoldLanes(lanes);
  }
};

// Such rows that share all parameters, normalized by way of a buffer: RowForms without spreading.
template <class T>
class FewVectorForms {
  using One = Coefficient<float, false>;
  using Each = Coefficient<float, true>;

 public:
  HWY_INLINE FewVectorForms(const Job& job, int64_t rows)
      : n_(job.geometry->run_length),
        fits_(AreRowsAlike(job) && rows > 1 && FewVectors<T, true>::Suits(n_)) {}
  bool fits() const { return fits_; }

  // Rows [first, last), at most kMaxGroup.
  HWY_NOINLINE void Write(const ForwardJob& job, int64_t first, int64_t last,
                          RunWriter<T>& writer) const {
    const int64_t most = kFinishTile / n_;
    const Each gamma(static_cast<const float*>(job.gamma));
    const Each beta(static_cast<const float*>(job.beta));
    HWY_ALIGN float y[kFinishTile];
    float hi[kMaxGroup], r[kMaxGroup], e[kMaxGroup];
    FillStats(last - first, job.mean + first, job.rstd + first, hi, r, e);
    for (int64_t row = first, end; row < last; row = end) {
      end = std::min(row + most, last);
      for (int64_t u = row; u < end; ++u) {
        using Form = ElementForm<T, false, true>;
        const int64_t k = u - first;
        const Form form{One(hi + k), One(r + k), One(e + k), gamma, beta};
        const T* x = job.x.At<T>(u * n_);
        StoreRun(Normalize<T, Form, false>{x, form, 0}, y + (u - row) * n_, n_);
      }
      FinishTile(job, y, row * n_, (end - row) * n_, writer);
    }
  }

 private:
  const int64_t n_;
  const bool fits_;
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FEW_VECTORS_INL_H_
