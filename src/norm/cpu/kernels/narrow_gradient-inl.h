// The backward pass of short rows: some rows as one long row, what belongs to a row in vectors of
// rows.
#if defined(NORMKIT_NARROW_GRADIENT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_NARROW_GRADIENT_INL_H_
#undef NORMKIT_NARROW_GRADIENT_INL_H_
#else
#define NORMKIT_NARROW_GRADIENT_INL_H_
#endif

#include <algorithm>

#include "src/norm/cpu/kernels/gradient-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Where sums are folded together: elsewhere rows are taken one by one, with the same bits.
template <class T, bool kRelu>
inline constexpr bool kHasNarrowGradient = kFoldsTogether<Real<T>> && !kRelu;

template <class T>
class NarrowGradient;
template <class T, int64_t kLength>
class WholeRowsGradient;

#if HWY_TARGET <= HWY_AVX2
// Of rows of f32, bf16 or f16.
template <class T>
class NarrowGradient {
  using R = float;
  using D = hn::ScalableTag<double>;
  using DR = hn::Rebind<R, D>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  static constexpr auto kWide = static_cast<int64_t>(hn::MaxLanes(D()));
  static constexpr auto kSumLanes = static_cast<int64_t>(kLanes<R>);

 public:
  static constexpr int64_t kRows = 16;         // together
  static constexpr int64_t kMost = kSumLanes;  // elements of each

  // Rows that share all parameters, until something else is said.
  HWY_INLINE explicit NarrowGradient(const BackwardJob& job)
      : job_(job), n_(job.geometry->run_length) {
    const hn::RebindToSigned<Tag<T>> d;
    for (int64_t row = 0; row < kRows; ++row) {
      SetGamma(0, row, 1);
      FillAhead(static_cast<int32_t>(row), index_ + row * n_, n_);
    }
    for (int64_t i = 0; i < kRows * n_; i += kWidth) {
      first_row_[i / kWidth] = index_[i];
      hn::Store(hn::Sub(hn::Load(d, index_ + i), hn::Set(d, index_[i])), d, index_ + i);
    }
  }

  // Rows from `row` on of those that are taken together have gamma of parameters from slot * n_ on.
  void SetGamma(int64_t slot, int64_t row, int64_t rows) {
    std::copy_n(static_cast<const R*>(job_.gamma) + slot * n_, rows * n_, gamma_ + row * n_);
  }

  // dx of rows [first, first + count), at most kRows.
  HWY_NOINLINE void Take(int64_t first, int64_t count, RunWriter<T>& writer) {
    HWY_ALIGN double last_mean[kRows], last_rstd[kRows], w[kRows], w_x[kRows];
    const double* mean = job_.mean + first;
    const double* rstd = job_.rstd + first;
    const int64_t at = first * n_, size = count * n_;
    if (count < kRows) {  // as many as always, the others of no row
      mean = std::copy_n(mean, count, last_mean) - count;
      rstd = std::copy_n(rstd, count, last_rstd) - count;
      std::fill(last_mean + count, last_mean + kRows, 0.0);
      std::fill(last_rstd + count, last_rstd + kRows, 0.0);
      std::fill(w_ + size, w_ + kRows * n_, R(0));
      std::fill(w_x_ + size, w_x_ + kRows * n_, R(0));
    }
    FillStats(kRows, mean, rstd, hi_, r_, e_);
    Multiply(job_.x.At<T>(at), job_.dy.At<T>(at), size);
    SumRows(w_, w);
    SumRows(w_x_, w_x);
    const XhatMeans means{w, w_x};
    means.ToXhat<R>(kRows, mean, rstd);
    const auto n = static_cast<double>(n_);
    means.Divide(kRows, n, SquaresDivisor(job_.divisor, n), job_.center);
    FillThroughs(kRows, mean, rstd, w, w_x, b_, e_through_);
    writer.Write(Dx{*this}, job_.dx.At<T>(at), size);
  }

  // What `count` rows that were taken add to the parameters that they share.
  HWY_NOINLINE void AddTo(const ParameterSums& parameters, int64_t count) const {
    HWY_ALIGN R dgamma[kMost], dbeta[kMost];
    AddRows(w_x_, count, dgamma);
    AddRows(dy_, count, dbeta);
    AddToParameters(parameters, 0, n_, dgamma, dbeta);
  }
  // The same of rows [row, row + rows) of those that were taken, to sums of each of their elements.
  HWY_NOINLINE void AddTo(int64_t row, int64_t rows, R* dgamma, R* dbeta) const {
    const int64_t at = row * n_;
    StoreRun(Total{dgamma, w_x_ + at}, dgamma, rows * n_);
    StoreRun(Total{dbeta, dy_ + at}, dbeta, rows * n_);
  }

 private:
  struct Total {
    const R* sums;
    const R* terms;
    template <class Part>
    HWY_INLINE Vector<R> operator()(Part p) const {
      return hn::Add(p.Load(sums), p.Load(terms));
    }
  };

  // dx of a vector of elements; leaves dy * xhat in w_x_.
  struct Dx {
    NarrowGradient& in;
    Products<R> product = {};
    template <class Part>
    HWY_INLINE Vector<T> operator()(Part p) const {
      const auto deviation = p.Load(in.deviation_), r = in.Spread(in.r_, p.i);
      const auto xhat = hn::Add(hn::Mul(deviation, r), in.Spread(in.e_, p.i));
      p.Store(product(p.Load(in.dy_), xhat), in.w_x_);
      const auto through =
          hn::Add(product(deviation, in.Spread(in.b_, p.i)), in.Spread(in.e_through_, p.i));
      return hn::Sub(hn::Mul(p.Load(in.w_), r), through);
    }
  };

  // What a row has, for each of a vector of elements, from i on.
  HWY_INLINE Vector<T> Spread(const R* of_rows, int64_t i) const {
    const Tag<T> d;
    const auto rows = hn::LoadU(d, of_rows + first_row_[i / kWidth]);
    return hn::TableLookupLanes(
        rows, hn::IndicesFromVec(d, hn::Load(hn::RebindToSigned<Tag<T>>(), index_ + i)));
  }

  // x - hi, dy, w and w * (x - hi) of so many elements.
  HWY_INLINE void Multiply(const T* x, const T* dy, int64_t size) {
    int64_t i = 0;
    for (; i + kWidth <= size; i += kWidth) MultiplyPart(WholeVector<R>{i}, x, dy);
    if (i < size) MultiplyPart(PartOfVector<R>{i, static_cast<size_t>(size - i)}, x, dy);
  }
  template <class Part>
  HWY_INLINE void MultiplyPart(Part p, const T* x, const T* dy) {
    const Tag<T> d;
    const Products<R> product;
    const auto deviation = hn::Sub(p.Load(x), Spread(hi_, p.i)), v = p.Load(dy);
    const auto w = hn::Mul(v, hn::Load(d, gamma_ + p.i));
    hn::Store(deviation, d, deviation_ + p.i);
    hn::Store(v, d, dy_ + p.i);
    hn::Store(w, d, w_ + p.i);
    hn::Store(product(w, deviation), d, w_x_ + p.i);
  }

  // The sum of each row as LaneSums and FoldLanes have it.
  HWY_NOINLINE void SumRows(const R* terms, double* sums) const {
    if (n_ <= kWide) return SumVectors<1>(terms, sums);
    if (n_ <= 2 * kWide) return SumVectors<2>(terms, sums);
    if (kWide < 8 && n_ <= 4 * kWide) return SumVectors<4>(terms, sums);
    SumVectors<static_cast<size_t>(kSumLanes / kWide)>(terms, sums);
  }
  template <size_t kVectors>
  HWY_INLINE void SumVectors(const R* terms, double* sums) const {
    const D d;
    const DR dr;
    const auto part = [&](int64_t lane, int64_t row) HWY_ATTR {
      const int64_t count = std::clamp<int64_t>(n_ - lane, 0, kWide);
      const auto mask = hn::FirstN(dr, static_cast<size_t>(count));
      return hn::MaskedLoad(mask, dr, terms + row * n_ + lane);
    };
    for (int64_t first = 0; first < kRows; first += kWide) {
      hn::Vec<D> rows[kWide];
      for (int64_t i = 0; i < kWide; ++i) {
        const int64_t row = first + static_cast<int64_t>(kRowsOfFold[i]);
        hn::Vec<D> lanes[kVectors];
        HWY_UNROLL(8)
        for (size_t v = 0; v < kVectors; ++v) {
          const auto lane = static_cast<int64_t>(v) * kWide;
          lanes[v] = hn::PromoteTo(d, part(lane, row));
        }
        HWY_UNROLL(4)
        for (size_t count = kVectors / 2; count >= 1; count /= 2)
          for (size_t v = 0; v < count; ++v) lanes[v] = hn::Add(lanes[v], lanes[v + count]);
        rows[i] = lanes[0];
      }
      hn::Store(hn::Add(FoldVectors(d, rows), hn::Zero(d)), d, sums + first);
    }
  }

  // The rows added up, one after the other; behind the last one's end whatever was there, in lanes
  // that nobody reads.
  HWY_INLINE void AddRows(const R* terms, int64_t count, R* sums) const {
    const Tag<T> d;
    for (int64_t c = 0; c < n_; c += kWidth) {
      auto sum = hn::Zero(d);
      for (int64_t row = 0; row < count; ++row)
        sum = hn::Add(sum, hn::LoadU(d, terms + row * n_ + c));
      hn::Store(sum, d, sums + c);
    }
  }

  static constexpr int64_t kRoom = kRows * kMost + 2 * kWidth;
  const BackwardJob& job_;
  const int64_t n_;
  HWY_ALIGN R gamma_[kRoom], deviation_[kRoom], dy_[kRoom], w_[kRoom], w_x_[kRoom];
  // Of each vector of elements the first row, and of each element its row from there.
  HWY_ALIGN int32_t first_row_[kRoom / kWidth], index_[kRoom];
  HWY_ALIGN R hi_[2 * kRows], r_[2 * kRows], e_[2 * kRows], b_[2 * kRows], e_through_[2 * kRows];
};

// The same of rows of whole vectors that share all parameters, kRows of them: what belongs to a row
// is broadcast, and sums stay in registers.
template <class T, int64_t kLength>
class WholeRowsGradient {
  using R = float;
  using D = hn::ScalableTag<double>;
  using DR = hn::Rebind<R, D>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  static constexpr auto kWide = static_cast<int64_t>(hn::MaxLanes(D()));
  static constexpr int64_t kVectors = kLength / kWidth, kParts = kLength / kWide;

 public:
  static constexpr int64_t kRows = NarrowGradient<T>::kRows;

  HWY_INLINE explicit WholeRowsGradient(const BackwardJob& job)
      : job_(job), squares_(1 / SquaresDivisor(job.divisor, double{kLength})) {}

  // dx of rows [first, first + kRows), and what they add to the parameters.
  HWY_NOINLINE void Take(int64_t first, const ParameterSums& parameters, RunWriter<T>& writer) {
    const double* mean = job_.mean + first;
    const double* rstd = job_.rstd + first;
    HWY_ALIGN double w[kRows], w_x[kRows];
    FillStats(kRows, mean, rstd, hi_, r_, e_);
    const int64_t at = first * kLength;
    Sum(job_.x.At<T>(at), job_.dy.At<T>(at), w, w_x);
    XhatSums<R>(kRows, mean, rstd, w, w_x);
    // As divided: by a power of two.
    const double by = job_.center ? 1.0 / kLength : 0;
    for (int64_t row = 0; row < kRows; ++row) w_x[row] *= squares_;
    if (job_.center)
      for (int64_t row = 0; row < kRows; ++row) w[row] *= by;
    else
      std::fill_n(w, kRows, 0.0);
    FillThroughs(kRows, mean, rstd, w, w_x, b_, e_through_);
    Write(at, parameters, writer);
  }

 private:
  // Of w and w * (x - hi), as SumRows has them.
  HWY_INLINE void Sum(const T* x, const T* dy, double* w, double* w_x) const {
    const D d;
    const DR dr;
    const Products<R, DR> product;
    const auto* gamma = static_cast<const R*>(job_.gamma);
    for (int64_t first = 0; first < kRows; first += kWide) {
      hn::Vec<D> of_w[kWide], of_w_x[kWide];
      HWY_UNROLL(8)
      for (int64_t i = 0; i < kWide; ++i) {
        const int64_t row = first + static_cast<int64_t>(kRowsOfFold[i]);
        const auto hi = hn::Set(dr, hi_[row]);
        hn::Vec<D> sums[kParts], others[kParts];
        HWY_UNROLL(8)
        for (int64_t k = 0; k < kParts; ++k) {
          const int64_t from = row * kLength + k * kWide;
          const auto v = hn::Mul(LoadAny(dr, dy + from), hn::LoadU(dr, gamma + k * kWide));
          sums[k] = hn::PromoteTo(d, v);
          others[k] = hn::PromoteTo(d, product(v, hn::Sub(LoadAny(dr, x + from), hi)));
        }
        HWY_UNROLL(4)
        for (int64_t count = kParts / 2; count >= 1; count /= 2)
          for (int64_t k = 0; k < count; ++k) {
            sums[k] = hn::Add(sums[k], sums[k + count]);
            others[k] = hn::Add(others[k], others[k + count]);
          }
        of_w[i] = sums[0], of_w_x[i] = others[0];
      }
      hn::Store(hn::Add(FoldVectors(d, of_w), hn::Zero(d)), d, w + first);
      hn::Store(hn::Add(FoldVectors(d, of_w_x), hn::Zero(d)), d, w_x + first);
    }
  }

  HWY_INLINE void Write(int64_t at, const ParameterSums& parameters, RunWriter<T>& writer) {
    T* dx = job_.dx.At<T>(at);
    const T* x = job_.x.At<T>(at);
    const T* dy = job_.dy.At<T>(at);
    if (!job_.stream) {
      WriteRows(x, dy, parameters,
                [&](Vector<T> v, int64_t i) HWY_ATTR { StoreAny(v, Tag<T>(), dx + i); });
    } else if (reinterpret_cast<uintptr_t>(dx) % (kWidth * sizeof(T)) == 0) {
      WriteRows(x, dy, parameters,
                [&](Vector<T> v, int64_t i) HWY_ATTR { StreamStore(v, Tag<T>(), dx + i); });
    } else {
      WriteRows(x, dy, parameters,
                [&](Vector<T> v, int64_t i) HWY_ATTR { hn::Store(v, Tag<T>(), dx_ + i); });
      writer.Write(Buffered<R>{dx_}, dx, kRows * kLength);
    }
  }
  template <class Store>
  HWY_INLINE void WriteRows(const T* x, const T* dy, const ParameterSums& parameters,
                            const Store& store) {
    const Tag<T> d;
    const Products<R> product;
    Vector<T> gamma[kVectors], dgamma[kVectors], dbeta[kVectors];
    for (int64_t k = 0; k < kVectors; ++k) {
      gamma[k] = hn::LoadU(d, static_cast<const R*>(job_.gamma) + k * kWidth);
      dgamma[k] = dbeta[k] = hn::Zero(d);
    }
    for (int64_t row = 0; row < kRows; ++row) {
      const auto hi = hn::Set(d, hi_[row]), r = hn::Set(d, r_[row]), e = hn::Set(d, e_[row]);
      const auto b = hn::Set(d, b_[row]), through = hn::Set(d, e_through_[row]);
      Vector<T> dx[kVectors];
      HWY_UNROLL(4)
      for (int64_t k = 0; k < kVectors; ++k) {
        const int64_t i = row * kLength + k * kWidth;
        FetchNear(x + i, ahead_), FetchNear(dy + i, ahead_);
        const auto deviation = hn::Sub(LoadAny(d, x + i), hi), v = LoadAny(d, dy + i);
        dgamma[k] = hn::Add(dgamma[k], product(v, hn::Add(hn::Mul(deviation, r), e)));
        dbeta[k] = hn::Add(dbeta[k], v);
        dx[k] = hn::Sub(hn::Mul(hn::Mul(v, gamma[k]), r), hn::Add(product(deviation, b), through));
      }
      for (int64_t k = 0; k < kVectors; ++k) store(dx[k], row * kLength + k * kWidth);
    }
    if (!parameters.wanted()) return;
    HWY_ALIGN R sums[2 * kLength];
    for (int64_t k = 0; k < kVectors; ++k) {
      hn::Store(dgamma[k], d, sums + k * kWidth);
      hn::Store(dbeta[k], d, sums + kLength + k * kWidth);
    }
    AddToParameters(parameters, 0, kLength, sums, sums + kLength);
  }

  const BackwardJob& job_;
  const double squares_;
  const int64_t ahead_ = job_.stream ? 4096 / static_cast<int64_t>(sizeof(T)) : 0;
  HWY_ALIGN R hi_[kRows], r_[kRows], e_[kRows], b_[kRows], e_through_[kRows];
  HWY_ALIGN R dx_[kRows * kLength];
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_NARROW_GRADIENT_INL_H_
