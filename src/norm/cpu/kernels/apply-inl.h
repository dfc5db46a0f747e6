// y = gamma * (x - mean) * rstd + beta over parts of runs.
#if defined(NORMKIT_APPLY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_APPLY_INL_H_
#undef NORMKIT_APPLY_INL_H_
#else
#define NORMKIT_APPLY_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/cells-inl.h"
#include "src/norm/cpu/kernels/finish-inl.h"
#include "src/norm/cpu/kernels/products-inl.h"
#include "src/norm/cpu/kernels/wide-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// A coefficient along a run, from that of its first element: one for each element, or the same.
template <class R, bool kVector>
struct Coefficient {
  const R* values;

  HWY_INLINE explicit Coefficient(const R* first) : values(first) {}
  template <class Part>
  HWY_INLINE Vector<R> Get(Part p) const {
    return p.Load(values);
  }
  HWY_INLINE void Advance(int64_t i) { values += i; }
};
template <class R>
struct Coefficient<R, false> {
  Vector<R> value;

  HWY_INLINE explicit Coefficient(const R* first) : value(hn::Set(Tag<R>(), *first)) {}
  HWY_INLINE explicit Coefficient(Vector<R> of_column) : value(of_column) {}
  template <class Part>
  HWY_INLINE Vector<R> Get(Part) const {
    return value;
  }
  HWY_INLINE void Advance(int64_t) {}
};

// What results in T are computed of: one coefficient for all elements as WithShortNans.
template <class T, bool kVector, class Part>
HWY_INLINE Vector<T> CoefficientAt(const Coefficient<Real<T>, kVector>& k, Part p) {
  if constexpr (kVector) return k.Get(p);
  return WithShortNans<T>(k.Get(p));
}
// Which NaN there are in results of such.
constexpr Nans NansOf(bool all_short) { return all_short ? Nans::kShort : Nans::kQuiet; }

// The first vector of coefficients, for all rows of a column.
template <class R>
HWY_INLINE Coefficient<R, false> ColumnOf(const Coefficient<R, true>& row) {
  return Coefficient<R, false>(row.Get(WholeVector<R>{0}));
}

// Cell form: z = (x - hi) * c + d. `At` is what a vector of elements needs of it; the sums of the
// backward pass are of dy, and a factor of gamma comes in with those of whole cells.
template <class T, bool kVector>
struct CellForm {
  using R = Real<T>;
  static constexpr bool kStatVector = kVector, kStraight = kVector, kAnywhere = !kVector;
  static constexpr Nans kNans = NansOf(!kVector);
  Coefficient<R, kVector> hi, c, d;

  struct At {
    Vector<R> hi, c, d;
    template <class Product = PlainProducts>
    HWY_INLINE Vector<R> Z(Vector<R> deviation, const Product& product = {}) const {
      return hn::Add(product(deviation, c), d);
    }
  };
  template <class Part>
  HWY_INLINE At Get(Part p) const {
    return {CoefficientAt<T>(hi, p), CoefficientAt<T>(c, p), CoefficientAt<T>(d, p)};
  }
  HWY_INLINE void Advance(int64_t i) { hi.Advance(i), c.Advance(i), d.Advance(i); }
};

// Element form: z = ((x - hi) * r + e) * gamma + beta; the sums are of gamma * dy.
template <class T, bool kStat, bool kParam>
struct ElementForm {
  using R = Real<T>;
  static constexpr bool kStatVector = kStat, kStraight = false, kAnywhere = !kStat && !kParam;
  static constexpr Nans kNans = NansOf(kAnywhere);
  using Product = TermProducts<T>;
  Coefficient<R, kStat> hi, r, e;
  Coefficient<R, kParam> gamma, beta;

  struct At {
    Vector<R> hi, r, e, gamma, beta;
    template <class Product = PlainProducts>
    HWY_INLINE Vector<R> Xhat(Vector<R> deviation, const Product& product = {}) const {
      return hn::Add(product(deviation, r), e);
    }
    template <class Product = PlainProducts>
    HWY_INLINE Vector<R> Z(Vector<R> deviation, const Product& product = {}) const {
      return hn::Add(product(Xhat(deviation, product), gamma), beta);
    }
    HWY_INLINE Vector<R> Summed(Vector<R> dy) const { return hn::Mul(dy, gamma); }
    template <class Product>
    HWY_INLINE Vector<R> Direct(Vector<R> dy, const Product&) const {
      return hn::Mul(hn::Mul(dy, gamma), r);
    }
  };
  template <class Part>
  HWY_INLINE At Get(Part p) const {
    if constexpr (kAnywhere)
      return {CoefficientAt<T>(hi, p), CoefficientAt<T>(r, p), CoefficientAt<T>(e, p),
              CoefficientAt<T>(gamma, p), CoefficientAt<T>(beta, p)};
    else
      return {hi.Get(p), r.Get(p), e.Get(p), gamma.Get(p), beta.Get(p)};
  }
  HWY_INLINE void Advance(int64_t i) {
    hi.Advance(i), r.Advance(i), e.Advance(i), gamma.Advance(i), beta.Advance(i);
  }
};

// A form of whose coefficients none is a NaN with anything in its lower half.
template <class Form>
struct ShortNanForm : Form {
  static constexpr Nans kNans = Nans::kShort;
};

// x through a form and the activation.
template <class T, class Form, bool kRelu>
struct Normalize {
  static constexpr bool kStraight = Form::kStraight, kAnywhere = Form::kAnywhere;
  static constexpr Nans kNans = Form::kNans;
  const T* x;
  const Form& form;
  int64_t ahead;

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    p.Fetch(x, ahead);
    const auto at = form.Get(p);
    return Activate<kRelu>(Tag<T>(), at.Z(hn::Sub(p.Load(x), at.hi)));
  }
};

// What an element form without mean and beta (ForwardJob::by_root) makes of x, to the bit: hi = 0
// and e = -0 change nothing, beta = 0 a -0. Without reading zeros as long as the row: with x, gamma
// and y of 4,096 they do not fit into an L1 cache, and half of a call was spent on that.
template <class T>
struct ByRoot {
  const T* x;
  Vector<T> r;
  const Real<T>* gamma;
  int64_t ahead;

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    p.Fetch(x, ahead);
    return hn::Add(hn::Mul(hn::Mul(p.Load(x), r), p.Load(gamma)), hn::Zero(Tag<T>()));
  }
};
// Where the text is worth it.
template <class T>
inline constexpr bool kHasByRoot = (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3) &&
                                   (std::is_same_v<T, float> || kPaired<T>);

// The coefficients of one cell, and of one statistic.
template <class R>
struct CellCoefficients {
  R hi, c, d;
};
template <class R>
struct StatCoefficients {
  R hi, r, e;
};

// Of a constant, x - hi is 0: a factor beyond the range may be large, but not infinite.
template <class R>
HWY_INLINE double WithinRange(double factor) {
  constexpr double kMost = std::numeric_limits<R>::max();
  return std::clamp(factor, -kMost, kMost);
}

template <class R>
HWY_INLINE CellCoefficients<R> CellFrom(double mean, double rstd, double gamma, double beta) {
  const SplitMean<R> split(mean);
  const double slope = WithinRange<R>(rstd * gamma);
  return {split.hi, static_cast<R>(slope), static_cast<R>(beta - split.lo * slope)};
}
template <class R>
HWY_INLINE CellCoefficients<R> CoefficientsOfCell(const Job& job, int64_t cell) {
  const int64_t stat = job.geometry->StatOf(cell), param = job.geometry->ParamOf(cell);
  return CellFrom<R>(job.mean[stat], job.rstd[stat], static_cast<const R*>(job.gamma)[param],
                     static_cast<const R*>(job.beta)[param]);
}
template <class R>
HWY_INLINE StatCoefficients<R> CoefficientsOfStat(double mean, double rstd) {
  const SplitMean<R> split(mean);
  return {split.hi, static_cast<R>(rstd), static_cast<R>(-split.lo * rstd)};
}

// hi, r and e of n statistics. Pointers that the compiler knows to be apart: f64 in vectors.
template <class R>
HWY_INLINE void FillStats(int64_t n, const double* HWY_RESTRICT mean,
                          const double* HWY_RESTRICT rstd, R* HWY_RESTRICT hi, R* HWY_RESTRICT r,
                          R* HWY_RESTRICT e) {
  for (int64_t s = 0; s < n; ++s) {
    const auto k = CoefficientsOfStat<R>(mean[s], rstd[s]);
    hi[s] = k.hi, r[s] = k.r, e[s] = k.e;
  }
}

// WithinRange of cells, of a vector of factors.
template <class R>
HWY_INLINE hn::Vec<Wide> WithinRange(hn::Vec<Wide> factor) {
  const auto most = hn::Set(Wide(), double{std::numeric_limits<R>::max()}), least = hn::Neg(most);
  const auto below = hn::IfThenElse(hn::Gt(factor, most), most, factor);
  return hn::IfThenElse(hn::Lt(below, least), least, below);
}

// What statistics have, for neighbouring cells: one number each, or one for all of them.
struct OfStatistics {
  const double* values;
  bool each = true;

  // NOLINTNEXTLINE(google-explicit-constructor): an array is of each
  HWY_INLINE OfStatistics(const double* first, bool of_each = true)
      : values(first), each(of_each) {}
  HWY_INLINE hn::Vec<Wide> Load(int64_t i) const {
    return each ? hn::LoadU(Wide(), values + i) : hn::Set(Wide(), *values);
  }
  HWY_INLINE double operator[](int64_t i) const { return values[each ? i : 0]; }
};

// f(of, begin, count) for pieces of cells [first, first + n) whose statistics OfStatistics knows;
// of(values) are those of a piece, from an array that begins with statistic `start`.
template <class F>
HWY_INLINE void ForStatistics(const Job& job, int64_t first, int64_t n, const F& f) {
  for (int64_t begin = 0, count; begin < n; begin += count) {
    const Loops::Pass pass = job.geometry->cell_stat.PassFrom(first + begin);
    count = std::min(n - begin, pass.stride <= 1 ? pass.size : 1);
    f(
        [&](const double* values, int64_t start = 0) {
          return OfStatistics{values + pass.offset - start, pass.stride == 1};
        },
        begin, count);
  }
}

// hi, c and d of n cells, as CellFrom.
template <class R>
HWY_NOINLINE void FillCells(int64_t n, OfStatistics mean, OfStatistics rstd, const R* gamma,
                            const R* beta, R* hi, R* c, R* d) {
  int64_t i = 0;
  for (; i + kWideLanes <= n; i += kWideLanes) {
    const auto center = mean.Load(i);
    const auto lo = hn::Sub(center, StoreNarrow(center, hi + i));
    const auto slope = WithinRange<R>(hn::Mul(rstd.Load(i), LoadWide(gamma + i)));
    StoreNarrow(slope, c + i);
    StoreNarrow(hn::Sub(LoadWide(beta + i), hn::Mul(lo, slope)), d + i);
  }
  for (; i < n; ++i) {
    const auto k =
        CellFrom<R>(mean[i], rstd[i], static_cast<double>(gamma[i]), static_cast<double>(beta[i]));
    hi[i] = k.hi, c[i] = k.c, d[i] = k.d;
  }
}

// The same of cells from `first` on, at most kCellsAtATime.
template <class R>
HWY_NOINLINE void FillCells(const Job& job, int64_t first, int64_t n, R* hi, R* c, R* d) {
  R gammas[kCellsAtATime], betas[kCellsAtATime];
  const Loops& param = job.geometry->cell_param;
  const R* gamma = InARow(param, first, n, static_cast<const R*>(job.gamma), gammas);
  const R* beta = InARow(param, first, n, static_cast<const R*>(job.beta), betas);
  ForStatistics(job, first, n, [&](const auto& of, int64_t i, int64_t count) {
    FillCells(count, of(job.mean), of(job.rstd), gamma + i, beta + i, hi + i, c + i, d + i);
  });
}

// The coefficients of cells or statistics [first, last) into the table.
template <class R>
void FillTable(const Job& job, int64_t first, int64_t last) {
  using Table = CoefficientTable;
  if (job.table.empty()) return;
  R* hi = job.table.Get<R>(Table::kHi, first);
  R* slope = job.table.Get<R>(Table::kSlope, first);
  R* offset = job.table.Get<R>(Table::kOffset, first);
  if (!job.geometry->cell_form)
    return FillStats(last - first, job.mean + first, job.rstd + first, hi, slope, offset);
  for (int64_t i = 0; i < last - first; i += kCellsAtATime)
    FillCells(job, first + i, std::min(kCellsAtATime, last - first - i), hi + i, slope + i,
              offset + i);
}

template <class R>
HWY_INLINE Coefficient<R, true> FromTable(const Job& job, int array, int64_t first) {
  return Coefficient<R, true>(job.table.Get<R>(array, first));
}

// Calls f(form) with the form of run `run`, at element `begin`. f is a functor of this namespace.
template <class T, class F>
HWY_INLINE void WithForm(const Job& job, int64_t run, int64_t begin, const F& f) {
  using R = Real<T>;
  using One = Coefficient<R, false>;
  using Each = Coefficient<R, true>;
  using Table = CoefficientTable;
  const Geometry& g = *job.geometry;
  if (g.cell_form) {
    const int64_t cell = g.run_cell.Offset(run);
    if (g.cell_vector) {
      const auto k = [&](int i) HWY_ATTR { return FromTable<R>(job, i, cell + begin); };
      return f(CellForm<T, true>{k(Table::kHi), k(Table::kSlope), k(Table::kOffset)});
    }
    const auto k = CoefficientsOfCell<R>(job, cell);
    return f(CellForm<T, false>{One(&k.hi), One(&k.c), One(&k.d)});
  }
  const int64_t stat = g.run_stat.Offset(run), param = g.run_param.Offset(run);
  const int64_t of_begin = param + (g.param_vector ? begin : 0);
  const R* gamma = static_cast<const R*>(job.gamma) + of_begin;
  const R* beta = static_cast<const R*>(job.beta) + of_begin;
  if (g.stat_vector) {
    const auto k = [&](int i) HWY_ATTR { return FromTable<R>(job, i, stat + begin); };
    const Each hi = k(Table::kHi), r = k(Table::kSlope), e = k(Table::kOffset);
    if (g.param_vector) return f(ElementForm<T, true, true>{hi, r, e, Each(gamma), Each(beta)});
    return f(ElementForm<T, true, false>{hi, r, e, One(gamma), One(beta)});
  }
  const auto k = CoefficientsOfStat<R>(job.mean[stat], job.rstd[stat]);
  if (g.param_vector)
    return f(
        ElementForm<T, false, true>{One(&k.hi), One(&k.r), One(&k.e), Each(gamma), Each(beta)});
  f(ElementForm<T, false, false>{One(&k.hi), One(&k.r), One(&k.e), One(gamma), One(beta)});
}

// A function of its own: both directions fill a buffer.
template <class T, class Form>
HWY_NOINLINE void NormalizeTile(const T* x, const Form& form, int64_t ahead, Real<T>* buffer,
                                int64_t n) {
  const Form own = form;
  StoreRun(Normalize<T, Form, false>{x, own, ahead}, buffer, n);
}

// Elements [at, at + n) of the array, normalized by a form, tile by tile to FinishTile.
template <class T, class Form, class DirectedJob>
HWY_NOINLINE void ThroughBuffer(const DirectedJob& job, const Form& whole_form, int64_t at,
                                int64_t n, RunWriter<T>& writer) {
  Form form = whole_form;
  const T* x = job.x.template At<T>(at);
  HWY_ALIGN Real<T> buffer[kFinishTile];
  for (int64_t i = 0; i < n; i += kFinishTile) {
    const int64_t count = std::min(kFinishTile, n - i);
    NormalizeTile(x + i, form, job.ahead, buffer, count);
    form.Advance(count);
    FinishTile(job, buffer, at + i, count, writer);
  }
}

// Of numbers that begin tiny, through the caches.
template <class T, class Form>
HWY_NOINLINE void NormalizedMending(const Form& whole_form, const T* x, T* y, int64_t n) {
  const MendingForm<Form> form{whole_form};
  StoreRun(Normalize<T, MendingForm<Form>, false>{x, form, 0}, y, n);
}
// Forms of which a cell or a row has much; and of bf16 with AVX2 that of columns, [30000,3].
template <class T, class Form>
inline constexpr bool kMends = kMendsForms<T> &&
                               (std::is_same_v<Form, CellForm<T, false>> ||
                                std::is_same_v<Form, ElementForm<T, false, true>> ||
                                (HWY_TARGET == HWY_AVX2 && std::is_same_v<T, BFloat16> &&
                                 std::is_same_v<Form, CellForm<T, true>>));

// Writes elements [at, at + n) of the array, normalized by a form. Not inlined: among all forms of
// a caller the registers would not suffice for its loops.
template <class T, class Form>
HWY_NOINLINE void Normalized(const ForwardJob& job, const Form& whole_form, int64_t at, int64_t n,
                             RunWriter<T>& writer) {
  if (job.finishes) return ThroughBuffer(job, whole_form, at, n, writer);
  const T* x = job.x.At<T>(at);
  T* y = job.y.At<T>(at);
  if constexpr (kMends<T, Form>)
    if (n > 0 && HWY_UNLIKELY(IsTiny(x)) && !job.relu && !job.stream)
      return NormalizedMending(whole_form, x, y, n);
  const Form form = whole_form;
  if (job.relu) return writer.Write(Normalize<T, Form, true>{x, form, job.ahead}, y, n);
  writer.Write(Normalize<T, Form, false>{x, form, job.ahead}, y, n);
}
// Writes what of a gradient passes the activation of the same.
template <class T, class Form>
HWY_INLINE void Normalized(const BackwardJob& job, const Form& form, int64_t at, int64_t n,
                           RunWriter<T>& writer) {
  ThroughBuffer(job, form, at, n, writer);
}

// The k-th coefficients of those vectors, from a row or as many rows as are so long together.
template <class T, size_t kArrays>
struct HeldRows {
  HWY_ALIGN Real<T> values[kArrays][kHeldElements<T>];

  HeldRows(const Job& job, int64_t cell) {
    const int64_t length = job.geometry->run_length;
    for (size_t k = 0; k < kArrays; ++k)
      for (int64_t i = 0; i < kHeldElements<T>; i += length)
        std::copy_n(job.table.Get<Real<T>>(static_cast<int>(k), cell), length, values[k] + i);
  }
  HWY_INLINE Coefficient<Real<T>, false> Get(size_t k, int64_t vector) const {
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
    return Coefficient<Real<T>, false>(hn::Load(Tag<Real<T>>(), values[k] + vector * kWidth));
  }
};

// How many of so many runs of channels from y on, all with the same coefficients, StreamHeld
// writes: past the caches, on processors that are asked for nothing in advance.
template <class T>
int64_t HeldRunsOf(const Job& job, const T* y, int64_t runs) {
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  const int64_t length = job.geometry->run_length, together = kHeldElements<T> / length;
  const bool suits = kHoldsRows && job.stream && job.ahead == 0 &&
                     together * length == kHeldElements<T> &&
                     reinterpret_cast<uintptr_t>(y) % (kWidth * sizeof(T)) == 0;
  return suits ? runs - runs % together : 0;
}

// The same vectors over and over, each of an op of its own.
template <class T, class Op>
HWY_INLINE void StreamHeld(const Op& a, const Op& b, const Op& c, const Op& d, T* y, int64_t n) {
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  for (int64_t i = 0; i < n; i += kHeldElements<T>) {
    const auto store = [&](const Op& op, int64_t k) HWY_ATTR {
      StreamStore(op(WholeVector<Real<T>>{i + k * kWidth}), Tag<T>(), y + i + k * kWidth);
    };
    store(a, 0), store(b, 1), store(c, 2), store(d, 3);
  }
}

// Writes elements [begin, end) of a run, normalized.
template <class T, class DirectedJob>
struct ApplyForm {
  const DirectedJob& job;
  int64_t run, begin, end;
  RunWriter<T>& writer;

  template <class Form>
  HWY_INLINE void operator()(const Form& form) const {
    Normalized(job, form, run * job.geometry->run_length + begin, end - begin, writer);
  }
};

template <class T>
struct ApplyPart {
  static constexpr size_t kArrays = CoefficientTable::kForwardArrays;
  const ForwardJob& job;
  T* Out(int64_t at) const { return job.y.At<T>(at); }

  HWY_NOINLINE void operator()(int64_t run, int64_t begin, int64_t end,
                               RunWriter<T>& writer) const {
    if constexpr (kHasByRoot<T>)
      if (job.by_root) return WriteByRoot(run, begin, end, writer);
    if constexpr (kPaired<T>)
      if (job.finite_parameters) return WriteFinite(run, begin, end, writer);
    WithForm<T>(job, run, begin, ApplyForm<T, ForwardJob>{job, run, begin, end, writer});
  }
  HWY_NOINLINE void WriteByRoot(int64_t run, int64_t begin, int64_t end,
                                RunWriter<T>& writer) const {
    using R = Real<T>;
    const Geometry& g = *job.geometry;
    const int64_t at = run * g.run_length + begin;
    const R* gamma = static_cast<const R*>(job.gamma) + g.run_param.Offset(run) + begin;
    const auto r = hn::Set(Tag<R>(), static_cast<R>(job.rstd[g.run_stat.Offset(run)]));
    writer.Write(ByRoot<T>{job.x.At<T>(at), r, gamma, job.ahead}, Out(at), end - begin);
  }
  HWY_NOINLINE void WriteFinite(int64_t run, int64_t begin, int64_t end,
                                RunWriter<T>& writer) const {
    using Form = ElementForm<T, false, true>;
    using One = Coefficient<Real<T>, false>;
    using Each = Coefficient<Real<T>, true>;
    const auto one = [](float value)
                         HWY_ATTR { return One(WithShortNans<T>(hn::Set(Tag<T>(), value))); };
    const Geometry& g = *job.geometry;
    const int64_t at = run * g.run_length + begin, stat = g.run_stat.Offset(run);
    const auto k = CoefficientsOfStat<float>(job.mean[stat], job.rstd[stat]);
    const ShortNanForm<Form> form{{one(k.hi), one(k.r), one(k.e),
                                   Each(static_cast<const float*>(job.gamma) + begin),
                                   Each(static_cast<const float*>(job.beta) + begin)}};
    const Normalize<T, ShortNanForm<Form>, false> y{job.x.template At<T>(at), form, job.ahead};
    writer.Write(y, Out(at), end - begin);
  }
  // Elements [at, at + n) of the array.
  void operator()(const CellBlock<T, kArrays>& cells, int64_t at, int64_t n,
                  RunWriter<T>& writer) const {
    using C = Coefficient<Real<T>, true>;
    const CellForm<T, true> form{C(cells.Get(0)), C(cells.Get(1)), C(cells.Get(2))};
    if constexpr (kPaired<T>)
      if (cells.of_pairs()) return WriteOfPairs(form, at, n, writer);
    Normalized(job, form, at, n, writer);
  }
  HWY_NOINLINE void WriteOfPairs(const CellForm<T, true>& form, int64_t at, int64_t n,
                                 RunWriter<T>& writer) const {
    using Form = CellForm<T, true>;
    const T* x = job.x.At<T>(at);
    job.relu ? writer.Write(OfPairs{Normalize<T, Form, true>{x, form, job.ahead}}, Out(at), n)
             : writer.Write(OfPairs{Normalize<T, Form, false>{x, form, job.ahead}}, Out(at), n);
  }
  bool takes_pairs() const { return !job.finishes; }
  // Writes some or all of runs [first, last) of the same cells, and says how many.
  int64_t WriteHeld(int64_t first, int64_t last) const {
    if constexpr (kHoldsRows) {
      const int64_t at = first * job.geometry->run_length;
      const int64_t runs = job.finishes ? 0 : HeldRunsOf(job, Out(at), last - first);
      if (runs > 0) job.relu ? WriteHeld<true>(first, runs) : WriteHeld<false>(first, runs);
      return runs;
    }
    return 0;
  }
  template <bool kRelu>
  HWY_NOINLINE void WriteHeld(int64_t first, int64_t runs) const {
    using Form = CellForm<T, false>;
    using Op = Normalize<T, Form, kRelu>;
    const Geometry& g = *job.geometry;
    const T* x = job.x.At<T>(first * g.run_length);
    T* y = Out(first * g.run_length);
    const HeldRows<T, kArrays> rows(job, g.run_cell.Offset(first));
    const auto form = [&](int64_t vector) HWY_ATTR {
      return Form{rows.Get(0, vector), rows.Get(1, vector), rows.Get(2, vector)};
    };
    const Form a = form(0), b = form(1), c = form(2), d = form(3);
    StreamHeld(Op{x, a, 0}, Op{x, b, 0}, Op{x, c, 0}, Op{x, d, 0}, y, runs * g.run_length);
  }
  // n cells of a run each, one behind the other; into a tile if there is one, which Finish takes.
  void WriteCells(const Real<T> (*values)[kCellsAtATime], int64_t at, int64_t n,
                  Real<T>* tile) const {
    if constexpr (kMendsForms<T>)
      if (HWY_UNLIKELY(IsTiny(job.x.At<T>(at))) && !job.relu && !job.stream && !tile)
        return WriteEachMending(values, at, n);
    job.relu && !tile ? WriteEach<true>(values, at, n, tile)
                      : WriteEach<false>(values, at, n, tile);
  }
  // Asks for elements [at, at + n).
  void Fetch(int64_t at, int64_t n) const {
    const T* x = job.x.At<T>(at);
    for (int64_t i = 0; i < n; i += kLineOf<T>) __builtin_prefetch(x + i, 0, 2);
  }
  void Finish(Real<T>* tile, int64_t at, int64_t n, RunWriter<T>& writer) const {
    FinishTile(job, tile, at, n, writer);
  }
  template <bool kRelu>
  HWY_NOINLINE void WriteEach(const Real<T> (*values)[kCellsAtATime], int64_t at, int64_t n,
                              Real<T>* tile) const {
    using C = Coefficient<Real<T>, false>;
    using Form = CellForm<T, false>;
    const int64_t length = job.geometry->run_length;
    const T* x = job.x.At<T>(at);
    T* y = job.y.At<T>(at);
    StoreCells(job.stream, y, tile, length, n, [&](int64_t cell, const auto& store) HWY_ATTR {
      const Form form{C(values[0] + cell), C(values[1] + cell), C(values[2] + cell)};
      store(Normalize<T, Form, kRelu>{x + cell * length, form, 0});
    });
  }
  HWY_NOINLINE void WriteEachMending(const Real<T> (*values)[kCellsAtATime], int64_t at,
                                     int64_t n) const {
    using C = Coefficient<Real<T>, false>;
    using Form = MendingForm<CellForm<T, false>>;
    const int64_t length = job.geometry->run_length;
    const T* x = job.x.At<T>(at);
    T* y = job.y.At<T>(at);
    const Products<Real<T>> product;
    for (int64_t cell = 0; cell < n; ++cell, x += length, y += length) {
      const Form form{{C(values[0] + cell), C(values[1] + cell), C(values[2] + cell)}, product};
      StoreRun(Normalize<T, Form, false>{x, form, 0}, y, length);
    }
  }
  bool writes_columns() const { return !job.finishes; }
  HWY_NOINLINE void WriteColumn(int64_t cell, int64_t at, int64_t rows) const {
    const auto k = [&](int i) HWY_ATTR { return ColumnOf(FromTable<Real<T>>(job, i, cell)); };
    using Form = CellForm<T, false>;
    const Form form{k(CoefficientTable::kHi), k(CoefficientTable::kSlope),
                    k(CoefficientTable::kOffset)};
    if constexpr (kMendsForms<T>)
      if (HWY_UNLIKELY(IsTiny(job.x.At<T>(at))) && !job.relu)
        return WriteColumnOf<false>(MendingForm<Form>{form}, at, rows);
    job.relu ? WriteColumnOf<true>(form, at, rows) : WriteColumnOf<false>(form, at, rows);
  }
  template <bool kRelu, class Form>
  HWY_INLINE void WriteColumnOf(const Form& form, int64_t at, int64_t rows) const {
    const T* x = job.x.At<T>(at);
    T* y = job.y.At<T>(at);
    StoreColumn(Normalize<T, Form, kRelu>{x, form, job.ahead}, y, rows, job.geometry->run_length);
  }
  // Of n cells, for a CellBlock.
  void Coefficients(int64_t first, int64_t n, Real<T> (*values)[kCellsAtATime]) const {
    FillCells(job, first, n, values[0], values[1], values[2]);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_APPLY_INL_H_
