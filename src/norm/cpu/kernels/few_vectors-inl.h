// Rows of a few vectors, side by side: what RowMoments does for one of any length, without
// what it takes to be ready for that.
#if defined(NORMKIT_FEW_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FEW_VECTORS_INL_H_
#undef NORMKIT_FEW_VECTORS_INL_H_
#else
#define NORMKIT_FEW_VECTORS_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "src/norm/cpu/kernels/narrow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

// x * by.
template <class T>
struct Scaled {
  const T* x;
  Vector<T> by;
  Products<float> product = {};

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    return product(p.Load(x), by);
  }
};

// Shifts of f32 of rows from the folds of their first elements, one for each lane.
inline HWY_NOINLINE void ShiftsOfRows(double* HWY_RESTRICT rows, int64_t count,
                                      double* HWY_RESTRICT shifts) {
  FoldAllRows(rows, count, shifts);
  for (int64_t u = 0; u < count; u += kWideLanes) {
    const auto mean = hn::Mul(hn::Load(Wide(), shifts + u), hn::Set(Wide(), 1.0 / kLanes<float>));
    const hn::Rebind<float, Wide> narrow;
    hn::Store(hn::PromoteTo(Wide(), hn::DemoteTo(narrow, mean)), Wide(), shifts + u);
  }
}

template <bool kCenter>
HWY_INLINE bool AreAllGood(double n, int64_t count, const SmallSums& sums) {
  bool good = true;
  for (int64_t u = 0; u < count; u += kWideLanes) {
    const auto sum = hn::Load(Wide(), sums.sum + u), squares = hn::Load(Wide(), sums.squares + u);
    good &= hn::AllTrue(Wide(), AreGood<float, kCenter>(n, sum, squares));
  }
  return good;
}

// Moves shifts of f32 to the mean where digits cancel; whether any did.
inline HWY_NOINLINE bool MoveShifts(double n, SmallSums& sums) {
  const Wide d;
  const hn::Rebind<float, Wide> narrow;
  bool moved = false;
  for (int64_t u = 0; u < kMaxGroup; u += kWideLanes) {
    const auto sum = hn::Load(d, sums.sum + u), shift = hn::Load(d, sums.shift + u);
    const auto most = hn::Mul(hn::Set(d, 0.75 * n), hn::Load(d, sums.squares + u));
    const auto far = hn::Gt(hn::Mul(sum, sum), most);
    const auto mean = hn::Add(shift, hn::Div(sum, hn::Set(d, n)));
    const auto own = hn::PromoteTo(d, hn::DemoteTo(narrow, mean));
    hn::Store(hn::IfThenElse(far, own, shift), d, sums.shift + u);
    moved |= !hn::AllFalse(d, far);
  }
  return moved;
}

inline constexpr int64_t kMostOfFew = kAdditions * static_cast<int64_t>(kLanes<float>);

// Sums of rows of n elements that are not good once more, scaled into rows of their own, as
// RowMoments::AddAnew; `sum` is FewVectors::Sum of f32, around 0 where nothing is centered.
template <class T, class Sum>
HWY_NOINLINE void MendRows(const RowsAt<const T>& x, int64_t n, int64_t count, bool center, Sum sum,
                           SmallSums& sums) {
  HWY_ALIGN float rows[kMaxGroup * kMostOfFew];
  const auto by = static_cast<double>(n);
  int64_t row_of[kMaxGroup], bad = 0;
  sums.mended = true;
  for (int64_t u = 0; u < count; ++u) {
    sums.factor[u] = 1;
    if (RowMoments<float, true>::IsGood(by, sums.sum[u], sums.squares[u])) continue;
    // A shift is finite where all of its elements are, and squares of those are no NaN.
    if (std::isnan(sums.squares[u]) || !std::isfinite(sums.shift[u])) {
      sums.SetNan(u);
      continue;
    }
    const auto scale = ScaleFor<float>(by, sums.squares[u]);
    sums.factor[u] = 1 / static_cast<double>(scale);
    StoreRun(Scaled<T>{x[u], hn::Set(Tag<T>(), scale)}, rows + bad * n, n);
    row_of[bad++] = u;
  }
  if (bad == 0) return;
  SmallSums again;
  const RowsAt<const float> scaled{rows, n};
  sum(scaled, n, bad, 0, center, again);
  if (!center)
    std::fill_n(again.sum, bad, 0.0);
  else if (MoveShifts(by, again))
    sum(scaled, n, bad, 0, false, again);
  for (int64_t k = 0; k < bad; ++k) sums.Take(row_of[k], again, k);
}

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
  static bool Suits(int64_t n) { return n > kAll && n <= kMostOfFew; }

  // Of `count` rows. Fetches what lies `ahead` elements behind.
  static HWY_INLINE void Add(const RowsAt<const T>& x, int64_t n, int64_t count, int64_t ahead,
                             SmallSums& sums) {
    if (HWY_UNLIKELY(!Sum(x, n, count, ahead, kCenter, sums)))
      MendRows(x, n, count, kCenter, FewVectors<float, true>::Sum, sums);
  }

  // Around shifts that it finds, or that there are. Whether they are good.
  static HWY_NOINLINE bool Sum(const RowsAt<const T>& x, int64_t n, int64_t count, int64_t ahead,
                               bool shifts, SmallSums& sums) {
    HWY_ALIGN double first[kMaxGroup * kWideLanes], second[kMaxGroup * kWideLanes];
    if (shifts) {
      for (int64_t u = 0; u < count; ++u) FoldShift(x[u], first + u * kWideLanes);
      ShiftsOfRows(first, count, sums.shift);
    }
    for (int64_t u = 0; u < count; ++u)
      AddRow(x[u], n, ahead, static_cast<float>(sums.shift[u]), first + u * kWideLanes,
             second + u * kWideLanes);
    if (kCenter) FoldRows(first, count, sums.sum);
    FoldRows(second, count, sums.squares);
    return AreAllGood<kCenter>(static_cast<double>(n), count, sums);
  }

  // The first element of each lane.
  static HWY_INLINE void FoldShift(const T* x, double* to) {
    V lanes[kVectors];
    HWY_UNROLL(16)
    for (size_t u = 0; u < kVectors; ++u)
      lanes[u] = LoadAny(D(), x + u * static_cast<size_t>(kWidth));
    LaneSums<float>::FoldTo(lanes, to);
  }

 private:
  static HWY_INLINE void AddRow(const T* x, int64_t n, int64_t ahead, float around, double* sum,
                                double* squares) {
    const D d;
    const Deviations<T, kCenter> op{x, hn::Set(d, around), ahead};
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
    if (kCenter) LaneSums<float>::FoldTo(first, sum);
    LaneSums<float>::FoldTo(second, squares);
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
    float hi[kMaxGroup], r[kMaxGroup], e[kMaxGroup];
    FillStats(last - first, job.mean + first, job.rstd + first, hi, r, e);
    const Each gamma(static_cast<const float*>(job.gamma));
    const Each beta(static_cast<const float*>(job.beta));
    const auto form = [&](int64_t row) HWY_ATTR {
      const int64_t k = row - first;
      return Form{One(hi + k), One(r + k), One(e + k), gamma, beta};
    };
    if (!job.finishes && !job.relu && (!job.stream || AreAligned(job, first))) {
      const int64_t ahead = job.pitched ? job.ahead : 0;  // what is fetched while rows are summed
      if (job.by_root)
        return WriteEach(job, first, last, [&](int64_t row, const T* x) HWY_ATTR {
          return ByRoot<T>{x, hn::Set(Tag<float>(), r[row - first]), gamma.values, ahead};
        });
      return WriteEach(job, first, last, [&](int64_t row, const T* x) HWY_ATTR {
        return NormalizeWith{form(row), x, ahead};
      });
    }
    HWY_ALIGN float y[kFinishTile];
    const int64_t most = job.pitched ? 1 : kFinishTile / n_;
    for (int64_t row = first, end; row < last; row = end) {
      end = std::min(row + most, last);
      for (int64_t u = row; u < end; ++u) {
        const Form own = form(u);
        const T* x = job.x.At<T>(u * n_);
        StoreRun(Normalize<T, Form, false>{x, own, 0}, y + (u - row) * n_, n_);
      }
      FinishTile(job, y, row * n_, (end - row) * n_, writer);
    }
  }

 private:
  using Form = ElementForm<T, false, true>;
  static constexpr size_t kVector = hn::MaxLanes(Tag<T>()) * sizeof(T);

  // Whether y of these rows begins and ends with vectors.
  HWY_INLINE bool AreAligned(const ForwardJob& job, int64_t first) const {
    const auto y = job.y.Rows<T>(first * n_, n_);
    return ((reinterpret_cast<uintptr_t>(y[0]) | reinterpret_cast<uintptr_t>(y[1])) % kVector) ==
               0 &&
           n_ * sizeof(T) % kVector == 0;
  }

  // Normalize with a form of its own.
  struct NormalizeWith {
    const Form form;
    const T* x;
    int64_t ahead;
    template <class Part>
    HWY_INLINE Vector<T> operator()(Part p) const {
      return Normalize<T, Form, false>{x, form, ahead}(p);
    }
  };

  // op_of(row, x) for each, straight to where it goes.
  template <class OpOf>
  HWY_INLINE void WriteEach(const ForwardJob& job, int64_t first, int64_t last,
                            const OpOf& op_of) const {
    job.stream ? WriteEach<true>(job, first, last, op_of)
               : WriteEach<false>(job, first, last, op_of);
  }
  template <bool kStream, class OpOf>
  HWY_INLINE void WriteEach(const ForwardJob& job, int64_t first, int64_t last,
                            const OpOf& op_of) const {
    const auto xs = job.x.Rows<T>(first * n_, n_);
    const auto ys = job.y.Rows<T>(first * n_, n_);
    const T* x = xs.first;
    T* y = ys.first;
    for (int64_t row = first; row < last; ++row, x += xs.step, y += ys.step) {
      const auto op = op_of(row, x);
      kStream ? StreamRun(op, y, n_) : StoreRun(op, y, n_);
    }
  }

  const int64_t n_;
  const bool fits_;
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FEW_VECTORS_INL_H_
