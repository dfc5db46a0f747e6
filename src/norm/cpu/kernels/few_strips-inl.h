// Both passes of batch normalization of at most kBlockRows rows, channels last, arithmetic in f32:
// a vector of channels at a time, in registers from what is read to what is written.
#if defined(NORMKIT_FEW_STRIPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FEW_STRIPS_INL_H_
#undef NORMKIT_FEW_STRIPS_INL_H_
#else
#define NORMKIT_FEW_STRIPS_INL_H_
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "src/norm/cpu/kernels/few_rows-inl.h"
#include "src/norm/cpu/kernels/gradient-inl.h"
#include "src/norm/cpu/kernels/products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Types that have it: f64 is added up otherwise, and of f16 the text is worth more than the time.
template <class T>
inline constexpr bool kHasFewStrips = HWY_TARGET <= HWY_AVX2 &&
                                      (std::is_same_v<T, float> || std::is_same_v<T, BFloat16>);

#if HWY_TARGET <= HWY_AVX2

// To the bits of what strips-inl.h does with many rows.
template <class T>
class FewStrips {
  using D = Tag<T>;
  using V = Vector<T>;
  using One = Coefficient<float, false>;
  using Place = WholeVector<float>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  static constexpr int64_t kAhead = 2048 / sizeof(T);
  // More rows wait longer for themselves than others fill: strips-inl.h is as fast.
  static constexpr int64_t kMostMended = 8;

 public:
  // y and what is saved of columns [first, last). Gives the first column that is not done: of less
  // than a vector, or of many rows with squares that leave the range; `first` where the job is none
  // of these.
  HWY_INLINE static int64_t Forward(const ForwardJob& job, int64_t first, int64_t last) {
    if (job.finishes || !Suits(job, job.y, first)) return first;
    const bool single = job.geometry->reduce.reduced.size() == 1;
    return Write(job, single ? WriteSingle(job, first, last) : first, last);
  }

  // The sums of the parameters of columns [first, last), and dx where it is wanted; as above.
  HWY_INLINE static int64_t Backward(const BackwardJob& job, int64_t first, int64_t last,
                                     double* dgamma, double* dbeta) {
    if (!Suits(job, job.dx, first)) return first;
    return WriteGradient(job, first, last, dgamma, dbeta);
  }

 private:
  using Form = CellForm<T, false>;
  using GradientForm = CellGradientForm<T, false>;

  // Whether all rows of a column have the same few places in the L1 cache, which is gone over
  // twice.
  static bool CollideInCache(const Loops& reduced) {
    constexpr int64_t kMostWays = 8, kPage = 4096;
    return reduced.size() > kMostWays &&
           (reduced.Offset(1) - reduced.Offset(0)) * static_cast<int64_t>(sizeof(T)) % kPage == 0;
  }

  // Past the caches go whole vectors alone.
  static bool Suits(const Job& job, const OutputArray& out, int64_t first) {
    const Loops& reduced = job.geometry->reduce.reduced;
    if (!job.center || job.relu || reduced.size() > kBlockRows || CollideInCache(reduced))
      return false;
    for (int64_t row = 0; row < reduced.size() && job.stream && out; ++row) {
      const auto* begin = out.At<T>(reduced.Offset(row) + first);
      if (reinterpret_cast<uintptr_t>(begin) % (kWidth * sizeof(T)) != 0) return false;
    }
    return true;
  }

  // Rows of an array.
  template <class U>
  struct Rows {
    U* rows[kBlockRows];
    template <class Array>
    HWY_NOINLINE Rows(const Array& array, const Loops& reduced) {
      for (int64_t row = 0; row < reduced.size(); ++row)
        rows[row] = array ? array.template At<T>(reduced.Offset(row)) : nullptr;
    }
    HWY_INLINE U* operator[](int64_t row) const { return rows[row]; }
  };

  HWY_INLINE static void Store(V value, bool stream, T* to) {
    stream ? StreamStore(value, D(), to) : StoreAny(value, D(), to);
  }

  using Sums = FewRows<true>::Sums;

  HWY_NOINLINE static int64_t Write(const ForwardJob& job, int64_t first, int64_t last) {
    const Loops& reduced = job.geometry->reduce.reduced;
    const int64_t rows = reduced.size();
    const Rows<const T> x(job.x, reduced);
    const Rows<T> y(job.y, reduced);
    const FewRows<true> few(rows);
    const SmallDivisor by(SquaresDivisor(job.divisor, static_cast<double>(rows)));
    const bool stream = job.stream;
    int64_t c = first;
    while (c + kWidth <= last) {
      const auto load = [&](int64_t row) HWY_ATTR { return LoadAny(D(), x[row] + c); };
      for (int64_t row = 0; row < rows; ++row) FetchAhead(x[row] + c, kAhead);
      Sums sums;
      few.Add(load, sums);
      if (HWY_UNLIKELY(!few.AreGood(sums))) {
        if (rows > kMostMended) break;
        c = WriteMended(job, x, y, c, last);
        continue;
      }
      Halves mean, m2;
      few.Finish(sums, mean, m2);
      const Form form = Finish(job, by, mean, m2, c);
      for (int64_t row = 0; row < rows; ++row)
        Store(Normalize<T, Form, false>{x[row], form, 0}(Place{c}), stream, y[row] + c);
      c += kWidth;
    }
    if (stream) hwy::FlushStream();
    return c;
  }

  // The same of one row, up to a vector that is not finite: an element is its own mean, its
  // deviation and its variance are 0.
  HWY_NOINLINE static int64_t WriteSingle(const ForwardJob& job, int64_t first, int64_t last) {
    constexpr int64_t kTile = 256;  // columns of which what is saved goes out together
    const Wide d;
    const D df;
    const int64_t offset = job.geometry->reduce.reduced.Offset(0);
    const T* x = job.x.At<T>(offset);
    T* y = job.y.At<T>(offset);
    const auto* gammas = static_cast<const float*>(job.gamma);
    const auto* betas = static_cast<const float*>(job.beta);
    const SmallDivisor by(SquaresDivisor(job.divisor, 1));
    const auto variance = by.Divide(hn::Zero(d));
    const auto rstd =
        hn::Div(hn::Set(d, 1.0), hn::Sqrt(hn::Add(variance, hn::Set(d, job.epsilon))));
    HWY_ALIGN double means[kTile], rstds[kTile];
    for (int64_t i = 0; i < kTile; i += kHalf) hn::Store(rstd, d, rstds + i);
    RunWriter<double> mean_writer(job.stream), rstd_writer(job.stream);
    int64_t c = first;
    for (int64_t begin = c; c + kWidth <= last; begin = c) {
      const int64_t end = std::min(begin + kTile, last);
      bool finite = true;
      for (; c + kWidth <= end; c += kWidth) {
        FetchAhead(x + c, kAhead);
        const V v = LoadAny(df, x + c), gamma = Place{c}.Load(gammas);
        if (HWY_UNLIKELY(!hn::AllTrue(df, hn::IsFinite(v)))) {
          finite = false;
          break;
        }
        const V hi = hn::Add(hn::Zero(df), v);  // no mean is -0
        // As FormOf and Normalize: of the slope its sign shows, or that it is no number.
        const V slope =
            hn::IfThenElse(hn::IsNaN(gamma), gamma, hn::CopySign(hn::Set(df, 1.0f), gamma));
        const V none = hn::Mul(hn::Zero(df), slope);
        const V shifted = hn::Sub(Place{c}.Load(betas), none);
        Store(hn::Add(hn::Mul(hn::Sub(v, hi), slope), shifted), job.stream, y + c);
        Halves mean;
        ToHalves(hi, mean);
        StoreHalves(mean, means + c - begin);
      }
      if (job.keeps_statistics) {
        mean_writer.Write(Buffered<double>{means}, job.saved.mean + begin, c - begin);
        rstd_writer.Write(Buffered<double>{rstds}, job.saved.rstd + begin, c - begin);
      }
      if (job.saved.variance)
        for (int64_t i = begin; i < c; i += kHalf) hn::StoreU(variance, d, job.saved.variance + i);
      if (!finite) break;
    }
    return c;
  }

  // Some vectors of columns, of which one at least is to be mended. Step by step over all of them:
  // what one waits for, others fill.
  HWY_NOINLINE static int64_t WriteMended(const ForwardJob& job, const Rows<const T>& x,
                                          const Rows<T>& y, int64_t first, int64_t last) {
    constexpr int64_t kMost = 16;
    const int64_t n = std::min(kMost, (last - first) / kWidth);
    const int64_t rows = job.geometry->reduce.reduced.size();
    const FewRows<true> few(rows);
    const SmallDivisor by(SquaresDivisor(job.divisor, static_cast<double>(rows)));
    const Products<float> product;
    Sums sums[kMost];
    Halves mean[kMost], m2[kMost];
    const auto each = [&](const auto& f) HWY_ATTR {
      for (int64_t v = 0; v < n; ++v) {
        const int64_t c = first + v * kWidth;
        f(v, c, [&](int64_t row) HWY_ATTR { return LoadAny(D(), x[row] + c); });
      }
    };
    each([&](int64_t v, int64_t, const auto& load) HWY_ATTR { few.Add(load, sums[v]); });
    each([&](int64_t v, int64_t, const auto& load)
             HWY_ATTR { few.Mend(load, sums[v], mean[v], m2[v]); });
    each([&](int64_t v, int64_t c, const auto& load) HWY_ATTR {
      const Form form = Finish(job, by, mean[v], m2[v], c);
      for (int64_t row = 0; row < rows; ++row) {  // as Normalize
        const V z = product(hn::Sub(load(row), form.hi.value), form.c.value);
        Store(hn::Add(z, form.d.value), job.stream, y[row] + c);
      }
    });
    return first + n * kWidth;
  }

  // What is saved of columns from c on, and their coefficients: as FinishVector and FillCells.
  HWY_INLINE static Form Finish(const ForwardJob& job, const SmallDivisor& by, const Halves& mean,
                                const Halves& m2, int64_t c) {
    const Wide d;
    const auto one = hn::Set(d, 1.0), epsilon = hn::Set(d, job.epsilon);
    const auto nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
    Halves variance, rstd;
    HWY_UNROLL(2)
    for (int k = 0; k < 2; ++k) {
      variance[k] = by.Divide(m2[k]);
      rstd[k] = hn::Div(one, hn::Sqrt(hn::Add(variance[k], epsilon)));
      rstd[k] = hn::IfThenElse(hn::Eq(variance[k], variance[k]), rstd[k], nan);
    }
    StoreHalves(mean, job.saved.mean + c);
    StoreHalves(rstd, job.saved.rstd + c);
    if (job.saved.variance) StoreHalves(variance, job.saved.variance + c);
    Halves lo;
    return FormOf(job, mean, rstd, c, lo);
  }

  // As FillCells; also what the narrow means leave out.
  HWY_INLINE static Form FormOf(const Job& job, const Halves& mean, const Halves& rstd, int64_t c,
                                Halves& lo) {
    const V hi = FromHalves(mean);
    Halves narrow, gamma, beta, slope, offset;
    ToHalves(hi, narrow);
    ToHalves(Place{c}.Load(static_cast<const float*>(job.gamma)), gamma);
    ToHalves(Place{c}.Load(static_cast<const float*>(job.beta)), beta);
    HWY_UNROLL(2)
    for (int k = 0; k < 2; ++k) {
      lo[k] = hn::Sub(mean[k], narrow[k]);
      slope[k] = WithinRange<float>(hn::Mul(rstd[k], gamma[k]));
      offset[k] = hn::Sub(beta[k], hn::Mul(lo[k], slope[k]));
    }
    return {One(hi), One(FromHalves(slope)), One(FromHalves(offset))};
  }

  // As FillShifts.
  HWY_INLINE static V ShiftOf(const BackwardJob& job, const Rows<const T>& dy, int64_t rows,
                              int64_t c) {
    if (!job.whole) return hn::Zero(D());
    const auto at = [&](int64_t k) HWY_ATTR { return Place{c}.Load(dy[PlaceIn(rows - 1, k)]); };
    return MiddleOf(D(), at(0), at(1), at(2), at(3));
  }

  // As FillThrough, of columns whose dbeta and dgamma are these.
  struct Passing {
    V b, e, t;
  };
  HWY_INLINE static Passing PassingOf(const BackwardJob& job, double n, const Halves& rstd,
                                      const Halves& lo, const Halves& dbeta, const Halves& dgamma,
                                      int64_t c) {
    const Wide d;
    const auto zero = hn::Zero(d), one = hn::Set(d, 1.0), count = hn::Set(d, n);
    const auto squares = hn::Set(d, SquaresDivisor(job.divisor, n));
    Halves gamma, w, amid, narrow, b, e;
    ToHalves(Place{c}.Load(static_cast<const float*>(job.gamma)), gamma);
    HWY_UNROLL(2)
    for (int k = 0; k < 2; ++k) {
      const auto sum = job.fixed ? zero : hn::Add(zero, hn::Mul(gamma[k], dbeta[k]));
      const auto sum_xhat = job.fixed ? zero : hn::Add(zero, hn::Mul(gamma[k], dgamma[k]));
      w[k] = hn::Div(sum, count);
      b[k] = hn::Mul(hn::Mul(rstd[k], rstd[k]), hn::Div(sum_xhat, squares));
      const auto none = hn::Eq(gamma[k], zero);
      const auto factor = hn::IfThenElse(none, one, gamma[k]);
      amid[k] = job.one_cell ? hn::IfThenZeroElse(none, hn::Div(w[k], factor)) : zero;
    }
    const V t = FromHalves(amid);
    ToHalves(t, narrow);
    HWY_UNROLL(2)
    for (int k = 0; k < 2; ++k) {
      const auto left = hn::Sub(w[k], hn::Mul(gamma[k], narrow[k]));
      e[k] = hn::Sub(hn::Mul(rstd[k], left), hn::Mul(lo[k], b[k]));
    }
    return {FromHalves(b), FromHalves(e), t};
  }

  HWY_NOINLINE static int64_t WriteGradient(const BackwardJob& job, int64_t first, int64_t last,
                                            double* dgamma, double* dbeta) {
    using Terms = GradientTerms<T, GradientForm, false>;
    // With AVX2 no other product of tiny numbers is a fused one.
    using Product = std::conditional_t<HWY_TARGET == HWY_AVX2, Products<float>, PlainProducts>;
    using Dx = Gradient<T, GradientForm, false, Product>;
    const Wide d;
    const Loops& reduced = job.geometry->reduce.reduced;
    const int64_t rows = reduced.size();
    const double n = static_cast<double>(rows);
    const Rows<const T> x(job.x, reduced), dy(job.dy, reduced);
    const Rows<T> dx(job.dx, reduced);
    const bool stream = job.stream && job.dx;
    int64_t c = first;
    for (; c + kWidth <= last; c += kWidth) {
      for (int64_t row = 0; row < rows; ++row)
        FetchAhead(x[row] + c, kAhead), FetchAhead(dy[row] + c, kAhead);
      Halves mean, rstd, lo, sum, sum_x, shift;
      LoadHalves(job.mean + c, mean);
      LoadHalves(job.rstd + c, rstd);
      const V t = ShiftOf(job, dy, rows, c);
      GradientForm form{FormOf(job, mean, rstd, c, lo), One(t)};
      const auto terms = [&](int64_t row, V* a, V* b) HWY_ATTR {
        Terms{x[row], dy[row], form}(Place{c}, a, b);
      };
      SumFewRows(rows, terms, sum, sum_x);
      ToHalves(t, shift);
      HWY_UNROLL(2)
      for (int k = 0; k < 2; ++k) {
        if (job.whole) {  // as AddCommonParts
          const auto common = hn::Mul(hn::Set(d, n), shift[k]);
          sum[k] = hn::Add(sum[k], common);
          sum_x[k] = hn::Add(sum_x[k], hn::Mul(common, lo[k]));
        }
        sum_x[k] = hn::Mul(rstd[k], hn::Sub(sum_x[k], hn::Mul(lo[k], sum[k])));
      }
      StoreHalves(sum, dbeta + c - first);
      StoreHalves(sum_x, dgamma + c - first);
      if (!job.dx) continue;
      const Passing through = PassingOf(job, n, rstd, lo, sum, sum_x, c);
      form.t = One(through.t);
      for (int64_t row = 0; row < rows; ++row) {
        const Dx gradient{{x[row], dy[row], form},
                          One(through.b),
                          One(through.e),
                          job.accumulate ? dx[row] : nullptr};
        Store(gradient(Place{c}), stream, dx[row] + c);
      }
    }
    if (stream) hwy::FlushStream();
    return c;
  }
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FEW_STRIPS_INL_H_
