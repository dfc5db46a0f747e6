// y = gamma * (x - mean) * rstd + beta over parts of runs.
#if defined(NORMKIT_APPLY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_APPLY_INL_H_
#undef NORMKIT_APPLY_INL_H_
#else
#define NORMKIT_APPLY_INL_H_
#endif

#include <algorithm>

#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/cells-inl.h"
#include "src/norm/cpu/kernels/finish-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

// A coefficient along a run: the same for all elements, or one each.
template <class R, bool kVector>
struct Coefficient {
  using D = hn::ScalableTag<R>;
  const R* values;  // of the first element
  hn::Vec<D> shared;

  HWY_INLINE explicit Coefficient(const R* v)
      : values(v), shared(hn::Set(D(), kVector ? R(0) : *v)) {}
  HWY_INLINE hn::Vec<D> At(int64_t i) const {
    return kVector ? hn::LoadU(D(), values + i) : shared;
  }
  HWY_INLINE hn::Vec<D> Partial(int64_t i, size_t n) const {
    return kVector ? LoadPartial(D(), values + i, n) : shared;
  }
  HWY_INLINE void Advance(int64_t i) {
    if (kVector) values += i;
  }
};

// Cell form: z = (x - hi) * c + d.
template <class T, bool kVector>
struct CellForm {
  using R = Real<T>;
  using D = Tag<T>;
  using V = Vector<T>;
  Coefficient<R, kVector> hi, c, d;

  HWY_INLINE V Value(V x, V h, V scale, V offset) const {
    return hn::Add(hn::Mul(hn::Sub(x, h), scale), offset);
  }
  HWY_INLINE V At(V x, int64_t i) const { return Value(x, hi.At(i), c.At(i), d.At(i)); }
  HWY_INLINE V Partial(V x, int64_t i, size_t n) const {
    return Value(x, hi.Partial(i, n), c.Partial(i, n), d.Partial(i, n));
  }
  HWY_INLINE void Advance(int64_t i) { hi.Advance(i), c.Advance(i), d.Advance(i); }
};

// Element form: z = ((x - hi) * r + e) * gamma + beta.
template <class T, bool kStatVector, bool kParamVector>
struct ElementForm {
  using R = Real<T>;
  using D = Tag<T>;
  using V = Vector<T>;
  Coefficient<R, kStatVector> hi, r, e;
  Coefficient<R, kParamVector> gamma, beta;

  HWY_INLINE V Value(V xhat, V g, V b) const { return hn::Add(hn::Mul(xhat, g), b); }
  HWY_INLINE V At(V x, int64_t i) const {
    const V xhat = hn::Add(hn::Mul(hn::Sub(x, hi.At(i)), r.At(i)), e.At(i));
    return Value(xhat, gamma.At(i), beta.At(i));
  }
  HWY_INLINE V Partial(V x, int64_t i, size_t n) const {
    const V xhat = hn::Add(hn::Mul(hn::Sub(x, hi.Partial(i, n)), r.Partial(i, n)), e.Partial(i, n));
    return Value(xhat, gamma.Partial(i, n), beta.Partial(i, n));
  }
  HWY_INLINE void Advance(int64_t i) {
    hi.Advance(i), r.Advance(i), e.Advance(i), gamma.Advance(i), beta.Advance(i);
  }
};

// x through a form and the activation.
template <class T, class Form, bool kRelu>
struct Normalize {
  using D = Tag<T>;
  const T* x;
  const Form& form;
  int64_t ahead = 0;

  HWY_INLINE Vector<T> At(int64_t i) const {
    FetchAhead(x + i, ahead);
    return Activate<kRelu>(D(), form.At(LoadAny(D(), x + i), i));
  }
  HWY_INLINE Vector<T> Partial(int64_t i, size_t n) const {
    return Activate<kRelu>(D(), form.Partial(LoadPartial(D(), x + i, n), i, n));
  }
};

// The coefficients of one cell.
template <class R>
struct CellCoefficients {
  R hi, c, d;
  double slope;  // gamma * rstd
};

template <class R>
HWY_INLINE CellCoefficients<R> CoefficientsOf(const Job& job, int64_t stat, int64_t param) {
  const SplitMean<R> mean(job.mean[stat]);
  const double gamma = static_cast<const R*>(job.gamma)[param];
  const double beta = static_cast<const R*>(job.beta)[param];
  const double slope = job.rstd[stat] * gamma;
  return {mean.hi, static_cast<R>(slope), static_cast<R>(beta - mean.lo * slope), slope};
}

// The coefficients of cells or statistics [first, last) into the table: hi, c, d or hi, r, e, each
// an array as long as all cells or statistics.
template <class R>
void FillTable(const Job& job, int64_t first, int64_t last) {
  const Geometry& g = *job.geometry;
  if (!job.table) return;
  auto* table = static_cast<R*>(job.table);
  const int64_t n = g.cell_form ? g.num_cells : g.plan.num_stat;
  for (int64_t i = first; i < last; ++i) {
    if (g.cell_form) {
      const auto k = CoefficientsOf<R>(job, g.StatOf(i), g.ParamOf(i));
      table[i] = k.hi, table[n + i] = k.c, table[2 * n + i] = k.d;
    } else {
      const SplitMean<R> mean(job.mean[i]);
      table[i] = mean.hi, table[n + i] = static_cast<R>(job.rstd[i]);
      table[2 * n + i] = static_cast<R>(-mean.lo * job.rstd[i]);
    }
  }
}

// Calls f(form) with the form of run `run`, at its first element. f is a functor of this namespace.
template <class T, class F>
HWY_INLINE void WithForm(const Job& job, int64_t run, const F& f) {
  using R = Real<T>;
  const Geometry& g = *job.geometry;
  const R* table = static_cast<const R*>(job.table);
  if (g.cell_form) {
    const int64_t n = g.num_cells, cell = g.run_cell.Offset(run);
    if (g.cell_vector) {
      using C = Coefficient<R, true>;
      return f(CellForm<T, true>{C(table + cell), C(table + n + cell), C(table + 2 * n + cell)});
    }
    const auto k = CoefficientsOf<R>(job, g.StatOf(cell), g.ParamOf(cell));
    using C = Coefficient<R, false>;
    return f(CellForm<T, false>{C(&k.hi), C(&k.c), C(&k.d)});
  }
  const int64_t stat = g.run_stat.Offset(run), param = g.run_param.Offset(run);
  const R* gamma = static_cast<const R*>(job.gamma) + param;
  const R* beta = static_cast<const R*>(job.beta) + param;
  if (g.stat_vector) {
    const int64_t n = g.plan.num_stat;
    const R* t = table + stat;
    using S = Coefficient<R, true>;
    if (g.param_vector) {
      using P = Coefficient<R, true>;
      return f(ElementForm<T, true, true>{S(t), S(t + n), S(t + 2 * n), P(gamma), P(beta)});
    }
    using P = Coefficient<R, false>;
    return f(ElementForm<T, true, false>{S(t), S(t + n), S(t + 2 * n), P(gamma), P(beta)});
  }
  const SplitMean<R> mean(job.mean[stat]);
  const R r = static_cast<R>(job.rstd[stat]), e = static_cast<R>(-mean.lo * job.rstd[stat]);
  using S = Coefficient<R, false>;
  if (g.param_vector) {
    using P = Coefficient<R, true>;
    return f(ElementForm<T, false, true>{S(&mean.hi), S(&r), S(&e), P(gamma), P(beta)});
  }
  using P = Coefficient<R, false>;
  f(ElementForm<T, false, false>{S(&mean.hi), S(&r), S(&e), P(gamma), P(beta)});
}

// Writes elements [at, at + n) of the array, normalized by a form. Not inlined: among all forms of
// a caller the registers would not suffice for its loops.
template <class T, class Form>
HWY_NOINLINE void Normalized(const Job& job, const Form& whole_form, int64_t at, int64_t n,
                             RunWriter<T>& writer) {
  Form form = whole_form;
  const T* x = static_cast<const T*>(job.x) + at;
  T* y = static_cast<T*>(job.y) + at;
  if (job.relu) return writer.Write(Normalize<T, Form, true>{x, form, job.ahead}, y, n);
  if (!job.finishes) return writer.Write(Normalize<T, Form, false>{x, form, job.ahead}, y, n);
  HWY_ALIGN Real<T> buffer[kFinishTile];
  for (int64_t i = 0; i < n; i += kFinishTile) {
    const int64_t count = std::min(kFinishTile, n - i);
    StoreRun(Normalize<T, Form, false>{x + i, form, job.ahead}, buffer, count);
    form.Advance(count);
    FinishTile(job, buffer, at + i, count, writer);
  }
}

// Writes elements [begin, end) of a run, normalized.
template <class T>
struct ApplyForm {
  const Job& job;
  int64_t run, begin, end;
  RunWriter<T>& writer;

  template <class Form>
  HWY_INLINE void operator()(Form form) const {
    form.Advance(begin);
    Normalized(job, form, run * job.geometry->run_length + begin, end - begin, writer);
  }
};

template <class T>
struct ApplyPart {
  static constexpr size_t kArrays = 3;
  const Job& job;
  T* Out() const { return static_cast<T*>(job.y); }

  HWY_INLINE void operator()(int64_t run, int64_t begin, int64_t end, RunWriter<T>& writer) const {
    WithForm<T>(job, run, ApplyForm<T>{job, run, begin, end, writer});
  }
  // Elements [at, at + n) of the array.
  void operator()(const CellBlock<T, kArrays>& cells, int64_t at, int64_t n,
                  RunWriter<T>& writer) const {
    using C = Coefficient<Real<T>, true>;
    const CellForm<T, true> form{C(cells.Get(0)), C(cells.Get(1)), C(cells.Get(2))};
    Normalized(job, form, at, n, writer);
  }
  // Of one cell, for a CellBlock.
  void Coefficients(int64_t cell, Real<T>* values) const {
    const Geometry& g = *job.geometry;
    const auto k = CoefficientsOf<Real<T>>(job, g.StatOf(cell), g.ParamOf(cell));
    values[0] = k.hi, values[1] = k.c, values[2] = k.d;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_APPLY_INL_H_
