// Short rows, many side by side: their statistics with a row in each lane, y as of one long row.
#if defined(NORMKIT_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_NARROW_INL_H_
#undef NORMKIT_NARROW_INL_H_
#else
#define NORMKIT_NARROW_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "src/norm/cpu/kernels/apply-inl.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"
#include "src/norm/cpu/kernels/small_divisor-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// For which there are ways of their own where rows are short (turned-inl.h,
// few_vectors-inl.h); elsewhere the text is worth more than the time.
template <class T>
inline constexpr bool kOwnWays = (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3) &&
                                 sizeof(T) <= sizeof(float);

class AnyDivisor {
 public:
  HWY_INLINE explicit AnyDivisor(double n) : n_(n) {}
  HWY_INLINE hn::Vec<Wide> Divide(hn::Vec<Wide> a) const { return hn::Div(a, hn::Set(Wide(), n_)); }

 private:
  double n_;
};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// Of sums of T, at most a block of them.
template <class T>
using DivisorOf = std::conditional_t<kOwnWays<T>, SmallDivisor, AnyDivisor>;
#else
template <class T>
using DivisorOf = AnyDivisor;
#endif

// Statistics from sums of n elements each around a shift, some at a time; to the bit what
// RowMoments and FinishStatistic make of them.
struct SmallSums {
  HWY_ALIGN double shift[kMaxGroup], sum[kMaxGroup], squares[kMaxGroup];
  // Where some are of what was scaled: what each mean is to be multiplied by.
  bool mended = false;
  HWY_ALIGN double factor[kMaxGroup];

  // Zeros: not all lanes of a vector are of rows. By hand: the compiler takes an instruction that
  // needs 40 cycles to begin.
  HWY_INLINE SmallSums() {
    const hn::ScalableTag<double> d;
    for (int64_t u = 0; u < kMaxGroup; u += static_cast<int64_t>(hn::MaxLanes(d)))
      for (double* of : {shift, sum, squares}) hn::Store(hn::Zero(d), d, of + u);
  }

  // Of a row that has no mean.
  HWY_NOINLINE void SetNan(int64_t u) {
    shift[u] = sum[u] = squares[u] = 0;
    factor[u] = std::numeric_limits<double>::quiet_NaN();
  }
  HWY_NOINLINE void Take(int64_t u, const SmallSums& from, int64_t k) {
    shift[u] = from.shift[k], sum[u] = from.sum[k], squares[u] = from.squares[k];
    if (!std::isfinite(squares[u])) SetNan(u);
  }
  template <class T>
  HWY_INLINE void Finish(const ForwardJob& job, double n, int64_t first, int64_t count) {
    using D = Wide;
    const D d;
    const DivisorOf<T> by(n), divisor(SquaresDivisor(job.divisor, n));
    const auto one = hn::Set(d, 1.0), epsilon = hn::Set(d, job.epsilon);
    for (int64_t u = 0; u < count; u += static_cast<int64_t>(hn::MaxLanes(D()))) {
      const auto s = hn::Load(d, sum + u), offset = by.Divide(s);
      auto m2 = hn::Max(hn::Zero(d), hn::Sub(hn::Load(d, squares + u), hn::Mul(s, offset)));
      auto mean = hn::Add(hn::Load(d, shift + u), offset);
      if (HWY_UNLIKELY(mended)) {
        const auto back = hn::Load(d, factor + u);
        mean = hn::Mul(mean, back), m2 = hn::Mul(hn::Mul(m2, back), back);
      }
      const auto variance = divisor.Divide(m2);
      hn::Store(mean, d, shift + u);
      hn::Store(variance, d, squares + u);
      hn::Store(hn::Div(one, hn::Sqrt(hn::Add(variance, epsilon))), d, sum + u);
    }
    std::copy_n(shift, count, job.saved.mean + first);
    std::copy_n(sum, count, job.saved.rstd + first);
    if (job.saved.variance) std::copy_n(squares, count, job.saved.variance + first);
  }
};

// What follows up to SumNarrow is for targets and types without turned-inl.h (kOwnWays).

// The columns of up to kMaxGroup rows of n elements, at most one for each virtual lane: what the
// rows before have for the lanes of an instruction, these have for its rows.
template <class T>
class NarrowColumns {
  using R = Real<T>;
  using D = Tag<T>;
  using DI = hn::Rebind<hwy::MakeSigned<R>, D>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));

 public:
  static constexpr int64_t kMost = kLanes<R>;  // of elements of a row

  // Lanes of rows that there are not have the last one.
  HWY_INLINE void Load(const T* x, int64_t n, int64_t count) {
    const D d;
    const DI di;
    const R* rows = Widened(x, n * count);
    const auto last = hn::Set(di, static_cast<hn::TFromD<DI>>(count - 1));
    const auto pitch = hn::Set(di, static_cast<hn::TFromD<DI>>(n));
    for (int64_t first = 0; first < count; first += kWidth) {
      const auto row = hn::Min(hn::Iota(di, static_cast<hn::TFromD<DI>>(first)), last);
      const auto at = MulIndex(row, pitch);
      for (int64_t i = 0; i < n; ++i)
        hn::Store(hn::GatherIndex(d, rows + i, at), d, columns_ + i * kMaxGroup + first);
    }
  }
  // Element i of as many rows as f64 has lanes, from `row` on.
  HWY_INLINE auto Get(int64_t i, int64_t row) const {
    return hn::Load(hn::Rebind<R, hn::ScalableTag<double>>(), columns_ + i * kMaxGroup + row);
  }

 private:
  HWY_INLINE const R* Widened(const T* x, int64_t n) {
    if constexpr (sizeof(T) >= 4) {
      return x;
    } else {
      StoreRun(Buffered<T>{x}, wide_, n);
      return wide_;
    }
  }
  // 64 bits have no product on every target.
  static HWY_INLINE hn::Vec<DI> MulIndex(hn::Vec<DI> row, hn::Vec<DI> pitch) {
    if constexpr (sizeof(R) == 4) {
      return hn::Mul(row, pitch);
    } else {
      const D d;
      return hn::ConvertTo(DI(), hn::Mul(hn::ConvertTo(d, row), hn::ConvertTo(d, pitch)));
    }
  }

  HWY_ALIGN R columns_[kMost * kMaxGroup];
  HWY_ALIGN R wide_[sizeof(T) >= 4 ? 1 : kMost * kMaxGroup];
};

// The sum of get(i), i < n <= kMost, as FoldLanes adds lanes up: upper half onto lower half. Lanes
// there begin as 0, so that no sum is -0. By way of memory: unrolled for each n it was a tenth of
// the kernels' text.
template <int64_t kMost, class Get>
HWY_INLINE hn::Vec<hn::ScalableTag<double>> Tree(int64_t n, const Get& get) {
  const hn::ScalableTag<double> d;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<double>()));
  HWY_ALIGN double terms[kMost * kWidth];
  const auto size = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(n)));
  for (int64_t i = 0; i < size; ++i) hn::Store(i < n ? get(i) : hn::Zero(d), d, terms + i * kWidth);
  for (int64_t half = size / 2 * kWidth; half >= kWidth; half /= 2)
    for (int64_t i = 0; i < half; i += kWidth)
      hn::Store(hn::Add(hn::Load(d, terms + i), hn::Load(d, terms + i + half)), d, terms + i);
  return hn::Add(hn::Load(d, terms), hn::Zero(d));
}

// RowMoments::IsGood of some rows of n elements.
template <class R, bool kCenter>
HWY_INLINE hn::Mask<Wide> AreGood(double n, hn::Vec<Wide> sum, hn::Vec<Wide> squares) {
  const Wide d;
  auto good = hn::Le(squares, hn::Set(d, std::numeric_limits<double>::max()));
  if constexpr (kCenter)
    good = hn::And(good, hn::Le(hn::Mul(sum, sum), hn::Mul(hn::Set(d, 0.75 * n), squares)));
  if constexpr (sizeof(R) == 4) {
    const auto large = hn::Ge(squares, hn::Set(d, n * kTinySquare));
    good = hn::And(good, hn::Or(large, hn::Eq(squares, hn::Zero(d))));
  }
  return good;
}

template <class T, bool kCenter>
struct NarrowSums {
  using R = Real<T>;
  using D = hn::ScalableTag<double>;
  using DR = hn::Rebind<R, D>;
  const NarrowColumns<T>& columns;
  int64_t n;

  static HWY_INLINE hn::Vec<DR> Narrow(hn::Vec<D> v) {
    if constexpr (std::is_same_v<R, double>)
      return v;
    else
      return hn::DemoteTo(DR(), v);
  }

  // Of as many rows as f64 has lanes; whether no digits cancel in any of them (RowMoments::IsGood).
  HWY_INLINE bool Take(int64_t row, SmallSums& sums) const {
    const D d;
    auto shift = hn::Zero(DR());
    if constexpr (kCenter) {
      const auto all =
          Tree<kLanes<R>>(n, [&](int64_t i) HWY_ATTR { return ToWide<R>(columns.Get(i, row)); });
      shift = Narrow(hn::Div(all, hn::Set(d, static_cast<double>(n))));
    }
    const auto first = [&](int64_t i) HWY_ATTR { return hn::Sub(columns.Get(i, row), shift); };
    const auto square = [&](int64_t i) HWY_ATTR {
      const auto v = kCenter ? first(i) : columns.Get(i, row);
      return ToWide<R>(hn::Mul(v, v));
    };
    auto sum = hn::Zero(d);
    if constexpr (kCenter)
      sum = Tree<kLanes<R>>(n, [&](int64_t i) HWY_ATTR { return ToWide<R>(first(i)); });
    const auto squares = Tree<kLanes<R>>(n, square);
    hn::Store(ToWide<R>(shift), d, sums.shift + row);
    hn::Store(sum, d, sums.sum + row);
    hn::Store(squares, d, sums.squares + row);
    return hn::AllTrue(d, AreGood<R, kCenter>(static_cast<double>(n), sum, squares));
  }
};

// Sums of `count` rows of n elements that lie one behind the other; false where they are no good.
template <class T, bool kCenter>
HWY_NOINLINE bool SumNarrow(const T* x, int64_t n, int64_t count, SmallSums& sums) {
  constexpr auto kStep = static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<double>()));
  NarrowColumns<T> columns;
  columns.Load(x, n, count);
  const NarrowSums<T, kCenter> of{columns, n};
  bool good = true;
  for (int64_t row = 0; row < count; row += kStep) good &= of.Take(row, sums);
  return good;
}

// Sums once more of those rows whose squares leave the range, scaled, side by side: one by one a
// row of two took seven times as long. Of the others, and of those that cancel, factors are 1.
template <class T, bool kCenter>
HWY_NOINLINE void ScaleNarrow(const T* x, int64_t n, int64_t count, SmallSums& sums) {
  HWY_ALIGN float rows[kMaxGroup * kLanes<float> + hn::MaxLanes(hn::ScalableTag<float>())];
  StoreRun(Buffered<T>{x}, rows, n * count);
  const auto by = static_cast<double>(n);
  int64_t row_of[kMaxGroup], scaled = 0;
  std::fill_n(sums.factor, count, 1.0);
  for (int64_t u = 0; u < count; ++u) {
    const double squares = sums.squares[u];
    const float scale = ScaleFor<float>(by, squares);
    if (scale == 1 || std::isnan(squares) || !std::isfinite(sums.shift[u]) ||
        RowMoments<T, kCenter>::IsGood(by, sums.sum[u], squares))
      continue;
    for (int64_t i = 0; i < n; ++i) rows[scaled * n + i] = rows[u * n + i] * scale;
    sums.factor[u] = 1 / static_cast<double>(scale);
    row_of[scaled++] = u;
  }
  if (scaled == 0) return;
  SmallSums again;
  SumNarrow<float, kCenter>(rows, n, scaled, again);
  for (int64_t k = 0; k < scaled; ++k) {
    if (kCenter && again.sum[k] * again.sum[k] > 0.75 * by * again.squares[k])
      sums.factor[row_of[k]] = 1;
    else
      sums.Take(row_of[k], again, k);
  }
}

// Whether units are single runs, the next of which is the next unit.
inline bool AreRuns(const ForwardJob& job) {
  const Geometry& g = *job.geometry;
  return g.units_contiguous && g.reduce.reduced.size() == 1;
}
// Where the group ends that unit `unit` of a task begins: runs that lie apart, where steps change,
// in x or in y.
inline int64_t EndOfGroup(const ForwardJob& job, int64_t unit, int64_t group, int64_t last) {
  const int64_t end = std::min(unit + group, last), n = job.geometry->reduce.inner;
  if (HWY_LIKELY(!job.pitched) || !AreRuns(job)) return end;
  return std::min(
      {end, unit + job.x.SteadyRows(unit * n, n), unit + job.y.SteadyRows(unit * n, n)});
}
// Whether these lie one behind the other.
inline bool AreDense(const ForwardJob& job) { return AreRuns(job) && !job.x.pitch(); }
// Whether they are of no more elements than a row has lanes.
template <class T>
HWY_INLINE bool IsNarrow(const ForwardJob& job) {
  return AreDense(job) && job.geometry->reduce.inner <= static_cast<int64_t>(kLanes<Real<T>>);
}

// Whether units are rows in element form.
inline bool AreRows(const Job& job) {
  const Geometry& g = *job.geometry;
  return !g.cell_form && !g.stat_vector && g.param_vector && g.units_contiguous &&
         g.run_length == g.reduce.inner;
}
// Whether they share all parameters.
inline bool AreRowsAlike(const Job& job) {
  return AreRows(job) && job.geometry->run_length == job.geometry->plan.num_param;
}
// Whether these lie one behind the other in all arrays.
inline bool AreDenseRowsAlike(const Job& job) { return AreRowsAlike(job) && !job.pitched; }

// The coefficients of rows in element form that share all parameters, some as one long row: hi, r
// and e as often as a row has elements, gamma and beta over and over. Of f64, and of all with SSE4
// and SCALAR: the others have FewVectorForms and TurnedRows.
template <class T>
class RowForms {
  using R = Real<T>;
  using Each = Coefficient<R, true>;

 public:
  static constexpr int64_t kRoom = kMaxGroup * kSpreadLength + hn::MaxLanes(Tag<T>());

  // For groups of at most `rows`, of a task.
  HWY_INLINE RowForms(const Job& job, int64_t rows) : job_(job), n_(job.geometry->run_length) {
    fits_ = AreDenseRowsAlike(job) && rows > 1 && n_ <= kSpreadLength;
    if (!fits_) return;
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(static_cast<const R*>(job.gamma), n_, gamma_ + row * n_);
      std::copy_n(static_cast<const R*>(job.beta), n_, beta_ + row * n_);
    }
  }
  bool fits() const { return fits_; }
  int64_t n() const { return n_; }

  // Of rows [first, last), at most job.group.
  HWY_INLINE void Fill(int64_t first, int64_t last) {
    R hi[kMaxGroup], r[kMaxGroup], e[kMaxGroup];
    FillStats(last - first, job_.mean + first, job_.rstd + first, hi, r, e);
    Spread(hi, last - first, hi_);
    Spread(r, last - first, r_);
    Spread(e, last - first, e_);
  }
  HWY_INLINE ElementForm<T, true, true> Get() const {
    return {Each(hi_), Each(r_), Each(e_), Each(gamma_), Each(beta_)};
  }
  // Rows [first, last), at most job.group.
  HWY_INLINE void Write(const ForwardJob& job, int64_t first, int64_t last, RunWriter<T>& writer) {
    Fill(first, last);
    Normalized(job, Get(), first * n_, (last - first) * n_, writer);
  }
  // One value of each row, for each of its elements.
  HWY_INLINE void Spread(const R* values, int64_t rows, R* to) const {
    for (int64_t row = 0; row < rows; ++row) FillAhead(values[row], to + row * n_, n_);
  }

 private:
  const Job& job_;
  const int64_t n_;
  bool fits_ = false;
  HWY_ALIGN R hi_[kRoom], r_[kRoom], e_[kRoom], gamma_[kRoom], beta_[kRoom];
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_NARROW_INL_H_
