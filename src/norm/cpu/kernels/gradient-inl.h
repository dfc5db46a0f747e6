// Sums of the backward pass over cells, and dx from them.
#if defined(NORMKIT_GRADIENT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_INL_H_
#undef NORMKIT_GRADIENT_INL_H_
#else
#define NORMKIT_GRADIENT_INL_H_
#endif

#include "src/norm/cpu/kernels/apply-inl.h"
#include "src/norm/cpu/kernels/reduce_col-inl.h"
#include "src/norm/cpu/kernels/table.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

// dy and dy * (x - hi) along a run of a cell; z as in the forward pass, to the bit.
template <class T, bool kRelu>
struct CellGradientTerms {
  using D = Tag<T>;
  using V = Vector<T>;
  const T* x;
  const T* dy;
  V hi, c, d;
  int64_t ahead;

  HWY_INLINE void Value(V value, V gradient, V* first, V* second) const {
    const V deviation = hn::Sub(value, hi);
    *first = PassGradient<kRelu>(D(), hn::Add(hn::Mul(deviation, c), d), gradient);
    *second = hn::Mul(*first, deviation);
  }
  HWY_INLINE void At(int64_t i, V* first, V* second) const {
    FetchAhead(x + i, ahead);
    FetchAhead(dy + i, ahead);
    Value(LoadAny(D(), x + i), LoadAny(D(), dy + i), first, second);
  }
  HWY_INLINE void Partial(int64_t i, size_t n, V* first, V* second) const {
    Value(LoadPartial(D(), x + i, n), LoadPartial(D(), dy + i, n), first, second);
  }
};

template <class T, bool kRelu>
void GradientChunk(const Job& job, int64_t cell, int64_t chunk, double* sums) {
  const Geometry& g = *job.geometry;
  const RowBlocks blocks(g.cells);
  const auto k = CoefficientsOf<Real<T>>(job, g.StatOf(cell), g.ParamOf(cell));
  const Tag<T> d;
  const int64_t unit = g.cells.kept.Offset(cell);
  const int64_t first = chunk * RowBlocks::kChunkBlocks;
  const int64_t last = std::min(first + RowBlocks::kChunkBlocks, blocks.num_blocks());
  sums[0] = sums[1] = 0;
  for (int64_t b = first; b < last; ++b) {
    const Block block = blocks.Get(b);
    LaneSums<Real<T>> lanes;
    for (int64_t s = 0; s < block.segments; ++s) {
      const int64_t at = unit + blocks.Offset(block, s);
      lanes.AddRun(CellGradientTerms<T, kRelu>{static_cast<const T*>(job.x) + at,
                                               static_cast<const T*>(job.dy) + at, hn::Set(d, k.hi),
                                               hn::Set(d, k.c), hn::Set(d, k.d), job.read_ahead},
                   block.length);
    }
    sums[0] += lanes.First();
    sums[1] += lanes.Second();
  }
}

// Sums of dy and dy * (x - hi) over one chunk of one cell.
template <class T>
void ReduceGradientRows(const Job& job, int64_t cell, int64_t chunk, double* sums) {
  job.relu ? GradientChunk<T, true>(job, cell, chunk, sums)
           : GradientChunk<T, false>(job, cell, chunk, sums);
}

// The same for columns: hi, c and d one each.
template <class T, bool kRelu>
struct ColumnGradientTerms {
  using R = Real<T>;
  using D = Tag<T>;
  using V = Vector<T>;
  const T* const* x;
  const T* const* dy;
  const R *hi, *c, *d;
  int64_t ahead;

  HWY_INLINE void Fetch(int64_t row, int64_t column) const {
    FetchAhead(x[row] + column, ahead);
    FetchAhead(dy[row] + column, ahead);
  }
  HWY_INLINE void Value(V deviation, V scale, V offset, V gradient, V* first, V* second) const {
    *first = PassGradient<kRelu>(D(), hn::Add(hn::Mul(deviation, scale), offset), gradient);
    *second = hn::Mul(*first, deviation);
  }
  HWY_INLINE void At(int64_t row, int64_t i, V* first, V* second) const {
    const V deviation = hn::Sub(LoadAny(D(), x[row] + i), hn::LoadU(D(), hi + i));
    const V scale = kRelu ? hn::LoadU(D(), c + i) : deviation;
    const V offset = kRelu ? hn::LoadU(D(), d + i) : deviation;
    Value(deviation, scale, offset, LoadAny(D(), dy[row] + i), first, second);
  }
  HWY_INLINE void Partial(int64_t row, int64_t i, size_t n, V* first, V* second) const {
    const V deviation = hn::Sub(LoadPartial(D(), x[row] + i, n), LoadPartial(D(), hi + i, n));
    Value(deviation, LoadPartial(D(), c + i, n), LoadPartial(D(), d + i, n),
          LoadPartial(D(), dy[row] + i, n), first, second);
  }
};

template <class T, bool kRelu>
void GradientColumns(const Job& job, const ColumnTask& task, double* sum_dy, double* sum_dy_x) {
  using R = Real<T>;
  const Geometry& g = *job.geometry;
  const int64_t width = task.last_column - task.first_column;
  const int64_t cell = task.unit * g.cells.inner + task.first_column;
  const int64_t at = g.cells.kept.Offset(task.unit) + task.first_column;
  const R* table = static_cast<const R*>(job.table) + cell;
  const int64_t ahead = RowsAhead<T>(g.cells.reduced, width);
  std::fill_n(sum_dy, width, 0.0);
  std::fill_n(sum_dy_x, width, 0.0);
  for (int64_t row = task.first_row; row < task.last_row; row += kColumnGroup) {
    const T* x[kColumnGroup];
    const T* dy[kColumnGroup];
    const int64_t count = std::min<int64_t>(kColumnGroup, task.last_row - row);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t offset = at + g.cells.reduced.Offset(row + i);
      x[i] = static_cast<const T*>(job.x) + offset;
      dy[i] = static_cast<const T*>(job.dy) + offset;
    }
    const ColumnGradientTerms<T, kRelu> op{
        x, dy, table, table + g.num_cells, table + 2 * g.num_cells, ahead};
    AddColumns<T>(op, job.stream, count, width, sum_dy, sum_dy_x);
  }
}

template <class T>
void ReduceGradientColumns(const Job& job, const ColumnTask& task, double* sum_dy,
                           double* sum_dy_x) {
  job.relu ? GradientColumns<T, true>(job, task, sum_dy, sum_dy_x)
           : GradientColumns<T, false>(job, task, sum_dy, sum_dy_x);
}

// dx = dy * c - ((x - hi) * b + e): b and e are what passes through variance and mean, 0 where the
// statistics are fixed.
template <class R>
struct Through {
  R b, e;
};

template <class R>
HWY_INLINE Through<R> ThroughOf(SplitMean<R> mean, double rstd, double mean_w, double mean_w_xhat) {
  const double b = rstd * rstd * mean_w_xhat;
  return {static_cast<R>(b), static_cast<R>(rstd * mean_w - mean.lo * b)};
}
template <class R>
HWY_INLINE Through<R> ThroughOf(const Job& job, int64_t stat) {
  return ThroughOf(SplitMean<R>(job.mean[stat]), job.rstd[stat], job.mean_w[stat],
                   job.mean_w_xhat[stat]);
}

// b and e of cells [first, last) behind the three of FillTable.
template <class R>
void FillGradientTable(const Job& job, int64_t first, int64_t last) {
  const Geometry& g = *job.geometry;
  if (!job.table) return;
  R* table = static_cast<R*>(job.table) + 3 * g.num_cells;
  for (int64_t cell = first; cell < last; ++cell) {
    const auto through = ThroughOf<R>(job, g.StatOf(cell));
    table[cell] = through.b, table[g.num_cells + cell] = through.e;
  }
}

template <class T, bool kVector, bool kRelu>
struct CellGradient {
  using R = Real<T>;
  using D = Tag<T>;
  using V = Vector<T>;
  const T* x;
  const T* dy;
  const T* dx;  // what is added to; null: nothing
  CellForm<T, kVector> form;
  Coefficient<R, kVector> b, e;
  int64_t ahead = 0;

  HWY_INLINE V Value(V value, V gradient, V hi, V c, V d, V slope, V constant) const {
    const V deviation = hn::Sub(value, hi);
    const V passed = PassGradient<kRelu>(D(), hn::Add(hn::Mul(deviation, c), d), gradient);
    return hn::Sub(hn::Mul(passed, c), hn::Add(hn::Mul(deviation, slope), constant));
  }
  HWY_INLINE V At(int64_t i) const {
    FetchAhead(x + i, ahead);
    FetchAhead(dy + i, ahead);
    const V value = Value(LoadAny(D(), x + i), LoadAny(D(), dy + i), form.hi.At(i), form.c.At(i),
                          form.d.At(i), b.At(i), e.At(i));
    return dx ? hn::Add(value, LoadAny(D(), dx + i)) : value;
  }
  HWY_INLINE V Partial(int64_t i, size_t n) const {
    const V value =
        Value(LoadPartial(D(), x + i, n), LoadPartial(D(), dy + i, n), form.hi.Partial(i, n),
              form.c.Partial(i, n), form.d.Partial(i, n), b.Partial(i, n), e.Partial(i, n));
    return dx ? hn::Add(value, LoadPartial(D(), dx + i, n)) : value;
  }
};

// Writes dx of elements [begin, end) of a run, in cell form, to `out`.
template <class T>
struct CellGradientPart {
  using R = Real<T>;
  static constexpr size_t kArrays = 5;
  const Job& job;
  T* Out() const { return static_cast<T*>(job.dx); }

  // Not inlined, as Normalized.
  template <bool kVector>
  HWY_NOINLINE void Write(int64_t at, int64_t n, const CellForm<T, kVector>& form,
                          const Coefficient<R, kVector>& b, const Coefficient<R, kVector>& e,
                          RunWriter<T>& writer) const {
    const T* x = static_cast<const T*>(job.x) + at;
    const T* dy = static_cast<const T*>(job.dy) + at;
    T* dx = Out() + at;
    const T* old = job.accumulate ? dx : nullptr;
    if (job.relu)
      writer.Write(CellGradient<T, kVector, true>{x, dy, old, form, b, e, job.ahead}, dx, n);
    else
      writer.Write(CellGradient<T, kVector, false>{x, dy, old, form, b, e, job.ahead}, dx, n);
  }

  HWY_INLINE void operator()(int64_t run, int64_t begin, int64_t end, RunWriter<T>& writer) const {
    const Geometry& g = *job.geometry;
    const int64_t at = run * g.run_length + begin, cell = g.run_cell.Offset(run);
    if (g.cell_vector) {
      using C = Coefficient<R, true>;
      const R* t = static_cast<const R*>(job.table) + cell + begin;
      const int64_t n = g.num_cells;
      return Write<true>(at, end - begin, {C(t), C(t + n), C(t + 2 * n)}, C(t + 3 * n),
                         C(t + 4 * n), writer);
    }
    using C = Coefficient<R, false>;
    const auto k = CoefficientsOf<R>(job, g.StatOf(cell), g.ParamOf(cell));
    const auto through = ThroughOf<R>(job, g.StatOf(cell));
    Write<false>(at, end - begin, {C(&k.hi), C(&k.c), C(&k.d)}, C(&through.b), C(&through.e),
                 writer);
  }

  // Elements [at, at + n) of the array.
  void operator()(const CellBlock<T, kArrays>& cells, int64_t at, int64_t n,
                  RunWriter<T>& writer) const {
    using C = Coefficient<R, true>;
    Write<true>(at, n, {C(cells.Get(0)), C(cells.Get(1)), C(cells.Get(2))}, C(cells.Get(3)),
                C(cells.Get(4)), writer);
  }
  // Of one cell, for a CellBlock.
  void Coefficients(int64_t cell, R* values) const {
    const Geometry& g = *job.geometry;
    const auto k = CoefficientsOf<R>(job, g.StatOf(cell), g.ParamOf(cell));
    const auto through = ThroughOf<R>(job, g.StatOf(cell));
    values[0] = k.hi, values[1] = k.c, values[2] = k.d;
    values[3] = through.b, values[4] = through.e;
  }
};

template <class T>
void ApplyGradientRuns(const Job& job, const RunTask& task) {
  WriteTask<T>(job, task, CellGradientPart<T>{job});
}

// dx of units [first, last) of rows, whose sums are known.
template <class T>
void ApplyGradientUnits(const Job& job, int64_t first, int64_t last) {
  RunWriter<T> writer(job.stream);
  WriteCellUnits(job, first, last, CellGradientPart<T>{job}, writer);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_INL_H_
