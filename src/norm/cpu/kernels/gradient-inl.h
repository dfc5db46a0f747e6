// Sums of the backward pass over cells, and dx from them.
#if defined(NORMKIT_GRADIENT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_INL_H_
#undef NORMKIT_GRADIENT_INL_H_
#else
#define NORMKIT_GRADIENT_INL_H_
#endif

#include "src/norm/cpu/kernels/gradient_shift-inl.h"
#include "src/norm/cpu/kernels/prepare-inl.h"
#include "src/norm/cpu/kernels/reduce_col-inl.h"
#include "src/norm/cpu/kernels/table.h"
#include "src/simd/cache.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Cell form with a number that dy is taken around: what is summed is dy - t, and that passes to dx
// by the slope.
template <class T, bool kVector>
struct CellGradientForm {
  using R = Real<T>;
  static constexpr bool kStatVector = kVector, kStraight = kVector, kAnywhere = !kVector;
  static constexpr Nans kNans = NansOf(!kVector);
  // With AVX2 columns took 1 to 5 % longer for it, and keep the goal without.
  using Product = std::conditional_t<kVector && HWY_TARGET == HWY_AVX2 && std::is_same_v<T, float>,
                                     PlainProducts, TermProducts<T>>;
  CellForm<T, kVector> cell;
  Coefficient<R, kVector> t;

  struct At : CellForm<T, kVector>::At {
    Vector<R> t;
    HWY_INLINE Vector<R> Summed(Vector<R> dy) const { return hn::Sub(dy, t); }
    template <class Product>
    HWY_INLINE Vector<R> Direct(Vector<R> dy, const Product& product) const {
      return product(Summed(dy), this->c);
    }
  };
  template <class Part>
  HWY_INLINE At Get(Part p) const {
    return {cell.Get(p), CoefficientAt<T>(t, p)};
  }
};

// A vector of elements: x - hi, and what of dy passes the activation. z as in the forward pass, to
// the bit.
template <class Form, bool kRelu>
struct GradientAt {
  using V = Vector<typename Form::R>;
  typename Form::At form;
  V deviation, dy;

  template <class Part, class T>
  HWY_INLINE GradientAt(Part p, const Form& whole_form, const T* x, const T* gradient)
      : GradientAt(p, whole_form.Get(p), x, gradient) {}
  template <class Part, class T>
  HWY_INLINE GradientAt(Part p, const typename Form::At& of_part, const T* x, const T* gradient)
      : form(of_part),
        deviation(hn::Sub(p.Load(x), form.hi)),
        dy(PassGradient<kRelu>(Tag<T>(), form.Z(deviation), p.Load(gradient))) {}
};

// The two that are summed: dy - t and (dy - t) * (x - hi) in cell form, w = gamma * dy and
// w * (x - hi) in element form.
template <class T, class Form, bool kRelu, class Product = typename Form::Product>
struct GradientTerms {
  using V = Vector<T>;
  const T* x;
  const T* dy;
  Form form;
  int64_t ahead = 0;
  Product product = {};

  HWY_INLINE void Fetch(int64_t i) const { Fetch(WholeVector<Real<T>>{i}); }
  template <class Part>
  HWY_INLINE void Fetch(Part p) const {
    p.FetchFar(x, ahead);
    p.FetchFar(dy, ahead);
  }
  template <class Part>
  HWY_INLINE GradientAt<Form, kRelu> At(Part p) const {
    return {p, form, x, dy};
  }
  template <class Part>
  HWY_INLINE void operator()(Part p, V* first, V* second) const {
    Take(p, At(p), product, first, second);
  }
  template <class Part>
  HWY_INLINE static void Take(Part p, const GradientAt<Form, kRelu>& at, const Product& product,
                              V* first, V* second) {
    *first = p.Keep(at.form.Summed(at.dy));
    *second = product(*first, at.deviation);
  }
};

// The same, fetching what is read later.
template <class Terms>
struct Fetching {
  Terms terms;
  template <class Part, class V>
  HWY_INLINE void operator()(Part p, V* first, V* second) const {
    terms.Fetch(p);
    terms(p, first, second);
  }
};

// What passes through variance and mean: dx = direct - ((x - hi) * b + e), direct = w * rstd in
// element form and (dy - t) * gamma * rstd in cell form, where e has what t leaves of E[w]. All are
// 0 where the statistics are fixed.
template <class R>
struct Through {
  R b, e;
};

template <class R>
HWY_INLINE Through<R> ThroughOf(double mean, double rstd, double mean_w, double mean_w_xhat) {
  const double b = rstd * rstd * mean_w_xhat;
  return {static_cast<R>(b), static_cast<R>(rstd * mean_w - SplitMean<R>(mean).lo * b)};
}
template <class R>
HWY_INLINE Through<R> ThroughOf(const BackwardJob& job, const XhatMeans& all, int64_t stat) {
  const XhatMeans means = all.From(stat);
  return ThroughOf<R>(job.mean[stat], job.rstd[stat], *means.w, *means.w_xhat);
}
// Of `count` statistics.
template <class R>
HWY_INLINE void FillThroughs(int64_t count, const double* HWY_RESTRICT mean,
                             const double* HWY_RESTRICT rstd, const double* HWY_RESTRICT mean_w,
                             const double* HWY_RESTRICT mean_w_xhat, R* HWY_RESTRICT b,
                             R* HWY_RESTRICT e) {
  for (int64_t i = 0; i < count; ++i) {
    const auto through = ThroughOf<R>(mean[i], rstd[i], mean_w[i], mean_w_xhat[i]);
    b[i] = through.b, e[i] = through.e;
  }
}
template <class R>
struct ThroughCell {
  R b, e, t;
};
// t is the mean of dy where a statistic has one parameter: E[w] / gamma, also where it goes beyond
// this cell (other parts, other ranks).
template <class R>
HWY_INLINE ThroughCell<R> ThroughFrom(bool one_cell, double gamma, double mean, double rstd,
                                      double mean_w, double mean_w_xhat) {
  const bool shifted = one_cell && gamma != 0;
  const R t = static_cast<R>(shifted ? mean_w / gamma : 0);
  const auto through =
      ThroughOf<R>(mean, rstd, mean_w - gamma * static_cast<double>(t), mean_w_xhat);
  return {through.b, through.e, t};
}
template <class R>
HWY_INLINE ThroughCell<R> ThroughOfCell(const BackwardJob& job, int64_t cell) {
  const Geometry& g = *job.geometry;
  const int64_t stat = g.StatOf(cell);
  const double gamma = static_cast<const R*>(job.gamma)[g.ParamOf(cell)];
  const XhatMeans means = job.means.From(stat);
  return ThroughFrom<R>(job.one_cell, gamma, job.mean[stat], job.rstd[stat], *means.w,
                        *means.w_xhat);
}

// dx. Product: of what passes through the statistics.
template <class T, class Form, bool kRelu, class Product = PlainProducts>
struct Gradient {
  static constexpr bool kStraight = Form::kStraight, kAnywhere = Form::kAnywhere;
  static constexpr Nans kNans = Form::kNans;
  using V = Vector<T>;
  GradientTerms<T, Form, kRelu> in;
  Coefficient<Real<T>, Form::kStatVector> b, e;
  const T* old;  // what is added to; null: nothing
  Product product = {};

  template <class Part>
  HWY_INLINE V Dx(Part p, const GradientAt<Form, kRelu>& at) const {
    const V through =
        hn::Add(product(at.deviation, CoefficientAt<T>(b, p)), CoefficientAt<T>(e, p));
    const V value = hn::Sub(at.form.Direct(at.dy, product), through);
    return old ? hn::Add(value, p.Load(old)) : value;
  }
  template <class Part>
  HWY_INLINE V operator()(Part p) const {
    in.Fetch(p);
    return Dx(p, in.At(p));
  }
};

// Terms of n neighbouring parameters, from `first` on.
template <class R>
HWY_INLINE void AddToParameters(const ParameterSums& sums, int64_t first, int64_t n,
                                const R* dgamma, const R* dbeta) {
  first -= sums.first;
  if constexpr (std::is_same_v<R, double>) {
    AddAllExactly(n, dgamma, sums.dgamma + first, sums.dgamma_rest + first);
    AddAllExactly(n, dbeta, sums.dbeta + first, sums.dbeta_rest + first);
  } else {
    AddTo(sums.dgamma + first, dgamma, n);
    AddTo(sums.dbeta + first, dbeta, n);
  }
}

// What is summed of columns: hi, c, d and t one each.
template <class T, bool kRelu>
struct GradientRows {
  const T* const* x;
  const T* const* dy;
  CellGradientForm<T, true> form;
  int64_t ahead;

  HWY_INLINE GradientTerms<T, CellGradientForm<T, true>, kRelu> Row(int64_t row) const {
    return {x[row], dy[row], form, ahead};
  }
};

// The same, for AddHeldRows.
template <class T, bool kRelu>
struct HeldGradientRows {
  using V = Vector<T>;
  using Form = CellGradientForm<T, true>;
  const T* x;
  const T* dy;
  int64_t step;
  Form form;
  typename Form::Product product = {};

  HWY_INLINE typename Form::At Held(int64_t column) const {
    return form.Get(WholeVector<Real<T>>{column});
  }
  HWY_INLINE void Take(const typename Form::At& held, int64_t column, V* first, V* second) const {
    const WholeVector<Real<T>> p{column};
    GradientTerms<T, Form, kRelu>::Take(p, {p, held, x, dy}, product, first, second);
  }
  HWY_INLINE void Next() { x += step, dy += step; }
};

struct GradientShiftTag;

// Whether sums of rows [first, first + count) are held in registers, with nothing else to load.
template <class T>
bool HoldsGradientRows(const Loops& rows, int64_t first, int64_t count, int64_t width,
                       bool from_memory) {
  if constexpr (!kHoldsRows || sizeof(Real<T>) != 4) return false;
  return (simd::HasLargeL1() || !from_memory) && AreHeldRows<T>(rows, first, count, width);
}

struct GradientSumsTag;
struct PackedXTag;
struct PackedDyTag;
struct RepeatedTag;

// What the table has of the columns of joined rows, for each of a row.
template <class R>
HWY_INLINE const R* Repeated(const Job& job, const JoinedRows<R>& joined, int array, int64_t cell) {
  const R* values = job.table.Get<R>(array, cell);
  if (joined.joined() == 1) return values;
  R* room = Scratch<RepeatedTag, R>(3 * kMaxTaskColumns) + array * kMaxTaskColumns;
  std::copy_n(values, joined.columns(), room);
  joined.Repeat(room);
  return room;
}

template <class T, bool kRelu>
void GradientColumns(const BackwardJob& job, const ColumnTask& task, CellSums sums) {
  using R = Real<T>;
  using Table = CoefficientTable;
  const Nest& nest = job.geometry->cells;
  const int64_t columns = task.last_column - task.first_column;
  const JoinedRows<R> joined(nest, columns);
  const int64_t width = joined.width(), cell = task.unit * nest.inner + task.first_column;
  const int64_t at = nest.kept.Offset(task.unit) + task.first_column;
  R* t = Scratch<GradientShiftTag, R>(kMaxTaskColumns);
  FillShifts<T>(job, nest.reduced, at, columns, t);
  joined.Repeat(t);
  const auto coefficient = [&](int array) HWY_ATTR {
    return Coefficient<R, true>(Repeated(job, joined, array, cell));
  };
  const CellGradientForm<T, true> form{
      {coefficient(Table::kHi), coefficient(Table::kSlope), coefficient(Table::kOffset)},
      Coefficient<R, true>(t)};
  const UnitOf<T> unit_x{job.x, at}, unit_dy{job.dy, at};
  double* room =
      joined.joined() > 1 ? Scratch<GradientSumsTag, double>(2 * kMaxTaskColumns) : nullptr;
  ColumnTotals<R> totals(width, room ? room : sums.dy, room ? room + width : sums.dy_x);
  int64_t row = task.first_row;
  if constexpr (kHoldsRows && sizeof(R) == 4) {
    const int64_t rows = (task.last_row - row) / joined.joined();
    if (unit_x.dense() && unit_dy.dense() &&
        HoldsGradientRows<T>(nest.reduced, row, rows * joined.joined(), width, job.stream)) {
      const Loops::Pass pass = nest.reduced.PassFrom(row);
      const HeldGradientRows<T, kRelu> held{unit_x.At(pass.offset), unit_dy.At(pass.offset),
                                            pass.stride * joined.joined(), form};
      AddHeldRows<T>(held, rows, totals.first(), totals.second());
      row += rows * joined.joined();
    }
  }
  // Zen 5 follows two arrays by itself, 3 % faster than asked, where nothing else is loaded
  // (above); where coefficients are, a fifth is lost without.
  const int64_t ahead = RowsAhead<T>(job.stream, unit_x, nest.reduced, columns,
                                     simd::HasLargeL1() ? 2048 : kRowBytesAhead);
  for (RowsOfBlock block; row < task.last_row; row = block.last) {
    block = joined.Block(row, task.last_row);
    const T* x[kBlockRows];
    const T* dy[kBlockRows];
    joined.template Find<T, PackedXTag>(block, unit_x, x);
    joined.template Find<T, PackedDyTag>(block, unit_dy, dy);
    AddColumns<T>(GradientRows<T, kRelu>{x, dy, form, ahead}, job.stream,
                  nest.reduced.size() <= kBlockRows, block.count, block.width, totals.first(),
                  totals.second());
    totals.EndBlock();
  }
  totals.Finish();
  if (room) joined.FoldTo(room, sums.dy), joined.FoldTo(room + width, sums.dy_x);
  if (!job.whole) return;  // the shifts are 0
  AddCommonParts(columns, static_cast<double>(task.last_row - task.first_row), t, job.mean + cell,
                 sums.dy, sums.dy_x);  // a cell is a statistic
}

template <class T>
void ReduceGradientColumns(const BackwardJob& job, const ColumnTask& task, CellSums sums) {
  job.relu ? GradientColumns<T, true>(job, task, sums) : GradientColumns<T, false>(job, task, sums);
}

// b, e and t of n cells, as ThroughFrom.
template <class R>
HWY_NOINLINE void FillThrough(int64_t n, bool one_cell, const R* gamma, OfStatistics mean,
                              OfStatistics rstd, OfStatistics mean_w, OfStatistics mean_w_xhat,
                              R* b, R* e, R* t) {
  const auto zero = hn::Zero(Wide()), one = hn::Set(Wide(), 1.0);
  int64_t i = 0;
  for (; i + kWideLanes <= n; i += kWideLanes) {
    const auto factor = LoadWide(gamma + i), w = mean_w.Load(i);
    auto amid = zero;
    if (one_cell) {
      const auto none = hn::Eq(factor, zero);
      amid = hn::IfThenZeroElse(none, hn::Div(w, hn::IfThenElse(none, one, factor)));
    }
    const auto left = hn::Sub(w, hn::Mul(factor, StoreNarrow(amid, t + i)));
    const auto center = mean.Load(i), scale = rstd.Load(i);
    const auto lo = hn::Sub(center, StoreNarrow(center, b + i));
    const auto slope = hn::Mul(hn::Mul(scale, scale), mean_w_xhat.Load(i));
    StoreNarrow(slope, b + i);
    StoreNarrow(hn::Sub(hn::Mul(scale, left), hn::Mul(lo, slope)), e + i);
  }
  for (; i < n; ++i) {
    const auto k = ThroughFrom<R>(one_cell, static_cast<double>(gamma[i]), mean[i], rstd[i],
                                  mean_w[i], mean_w_xhat[i]);
    b[i] = k.b, e[i] = k.e, t[i] = k.t;
  }
}

// The same of cells from `first` on, at most kCellsAtATime.
template <class R>
HWY_NOINLINE void FillThrough(const BackwardJob& job, int64_t first, int64_t n, R* b, R* e, R* t) {
  R gammas[kCellsAtATime];
  const R* gamma =
      InARow(job.geometry->cell_param, first, n, static_cast<const R*>(job.gamma), gammas);
  ForStatistics(job, first, n, [&](const auto& of, int64_t i, int64_t count) {
    FillThrough(count, job.one_cell, gamma + i, of(job.mean), of(job.rstd),
                of(job.means.w, job.means.begin), of(job.means.w_xhat, job.means.begin), b + i,
                e + i, t + i);
  });
}

// b, e and t of cells [first, last) behind what FillTable gives.
template <class R>
void FillGradientTable(const BackwardJob& job, int64_t first, int64_t last) {
  using Table = CoefficientTable;
  if (job.table.empty()) return;
  R* b = job.table.Get<R>(Table::kThroughSlope, first);
  R* e = job.table.Get<R>(Table::kThroughOffset, first);
  R* t = job.table.Get<R>(Table::kShift, first);
  for (int64_t i = 0; i < last - first; i += kCellsAtATime)
    FillThrough(job, first + i, std::min(kCellsAtATime, last - first - i), b + i, e + i, t + i);
}

// Writes dx of elements [begin, end) of a run, in cell form.
template <class T>
struct CellGradientPart {
  using R = Real<T>;
  static constexpr size_t kArrays = CoefficientTable::kBackwardArrays;
  const BackwardJob& job;
  T* Out(int64_t at) const { return job.dx.At<T>(at); }

  // Where elements from `at` of the array on are. Found before coefficients are loaded: At may be a
  // call, across which no vector stays in a register.
  struct Place {
    const T* x;
    const T* dy;
    T* dx;
    HWY_INLINE Place(const BackwardJob& job, int64_t at)
        : x(job.x.At<T>(at)), dy(job.dy.At<T>(at)), dx(job.dx.At<T>(at)) {}
    // Of dense arrays.
    HWY_INLINE Place Behind(int64_t n) const {
      Place place = *this;
      place.x += n, place.dy += n, place.dx += n;
      return place;
    }
  };
  // k(i) gives the i-th coefficient.
  template <bool kVector, bool kRelu, class Get>
  HWY_INLINE Gradient<T, CellGradientForm<T, kVector>, kRelu> From(const Place& place,
                                                                   const Get& k) const {
    return {{place.x, place.dy, CellGradientForm<T, kVector>{{k(0), k(1), k(2)}, k(5)}, job.ahead},
            k(3),
            k(4),
            job.accumulate ? place.dx : nullptr};
  }
  // Not inlined, as Normalized.
  template <bool kVector>
  HWY_NOINLINE void Write(int64_t at, int64_t n, const R* const* values,
                          RunWriter<T>& writer) const {
    const Place place(job, at);
    const auto k = [&](size_t i) HWY_ATTR { return Coefficient<R, kVector>(values[i]); };
    job.relu ? writer.Write(From<kVector, true>(place, k), place.dx, n)
             : writer.Write(From<kVector, false>(place, k), place.dx, n);
  }

  // n cells of a run each, one behind the other; into a tile if there is one, which Finish takes.
  void WriteCells(const R (*values)[kCellsAtATime], int64_t at, int64_t n, R* tile) const {
    job.relu ? WriteEach<true>(values, at, n, tile) : WriteEach<false>(values, at, n, tile);
  }
  // Asks for elements [at, at + n) of dx: store by store they would be waited for.
  void Fetch(int64_t at, int64_t n) const {
    if (job.stream) return;
    const T* dx = Out(at);
    for (int64_t i = 0; i < n; i += kLineOf<T>) __builtin_prefetch(dx + i, 1, 3);
  }
  void Finish(R* tile, int64_t at, int64_t n, RunWriter<T>& writer) const {
    writer.Write(Buffered<R>{tile}, Out(at), n);
  }
  template <bool kRelu>
  HWY_NOINLINE void WriteEach(const R (*values)[kCellsAtATime], int64_t at, int64_t n,
                              R* tile) const {
    const int64_t length = job.geometry->run_length;
    const Place place(job, at);
    StoreCells(
        job.stream, place.dx, tile, length, n, [&](int64_t cell, const auto& store) HWY_ATTR {
          const auto k = [&](int i) HWY_ATTR { return Coefficient<R, false>(values[i] + cell); };
          auto gradient = From<false, kRelu>(place.Behind(cell * length), k);
          gradient.in.ahead = 0;
          store(gradient);
        });
  }

  bool writes_columns() const { return true; }
  HWY_NOINLINE void WriteColumn(int64_t cell, int64_t at, int64_t rows) const {
    const Place place(job, at);
    const int64_t n = job.geometry->run_length;
    const auto k = [&](int i) HWY_ATTR { return ColumnOf(FromTable<R>(job, i, cell)); };
    job.relu ? StoreColumn(From<false, true>(place, k), place.dx, rows, n)
             : StoreColumn(From<false, false>(place, k), place.dx, rows, n);
  }

  HWY_NOINLINE void operator()(int64_t run, int64_t begin, int64_t end,
                               RunWriter<T>& writer) const {
    const int64_t at = run * job.geometry->run_length + begin;
    const int64_t cell = job.geometry->run_cell.Offset(run);
    const R* k[kArrays];
    if (job.geometry->cell_vector) {
      for (size_t i = 0; i < kArrays; ++i)
        k[i] = job.table.Get<R>(static_cast<int>(i), cell + begin);
      return Write<true>(at, end - begin, k, writer);
    }
    const auto form = CoefficientsOfCell<R>(job, cell);
    const auto through = ThroughOfCell<R>(job, cell);
    const R values[] = {form.hi, form.c, form.d, through.b, through.e, through.t};
    for (size_t i = 0; i < kArrays; ++i) k[i] = values + i;
    Write<false>(at, end - begin, k, writer);
  }

  // Elements [at, at + n) of the array.
  void operator()(const CellBlock<T, kArrays>& cells, int64_t at, int64_t n,
                  RunWriter<T>& writer) const {
    const R* k[kArrays];
    for (size_t i = 0; i < kArrays; ++i) k[i] = cells.Get(i);
    if constexpr (kPaired<T>)
      if (cells.of_pairs()) return WriteOfPairs(at, n, k, writer);
    Write<true>(at, n, k, writer);
  }
  HWY_NOINLINE void WriteOfPairs(int64_t at, int64_t n, const R* const* values,
                                 RunWriter<T>& writer) const {
    const Place place(job, at);
    const auto k = [&](size_t i) HWY_ATTR { return Coefficient<R, true>(values[i]); };
    job.relu ? writer.Write(OfPairs{From<true, true>(place, k)}, place.dx, n)
             : writer.Write(OfPairs{From<true, false>(place, k)}, place.dx, n);
  }
  bool takes_pairs() const { return true; }
  // As ApplyPart::WriteHeld.
  int64_t WriteHeld(int64_t first, int64_t last) const {
    if constexpr (kHoldsRows) {
      const int64_t at = first * job.geometry->run_length;
      const int64_t runs = job.accumulate ? 0 : HeldRunsOf(job, Out(at), last - first);
      if (runs > 0) job.relu ? WriteHeld<true>(first, runs) : WriteHeld<false>(first, runs);
      return runs;
    }
    return 0;
  }
  template <bool kRelu>
  HWY_NOINLINE void WriteHeld(int64_t first, int64_t runs) const {
    using Form = CellGradientForm<T, false>;
    // One for all vectors. f32 keeps the goal without, and took up to 5 % longer with it.
    using Product = std::conditional_t<std::is_same_v<T, BFloat16>, TermProducts<T>, PlainProducts>;
    const Geometry& g = *job.geometry;
    const Place place(job, first * g.run_length);
    const HeldRows<T, kArrays> rows(job, g.run_cell.Offset(first));
    const Product product;
    const auto op = [&](int64_t vector) HWY_ATTR {
      const auto k = [&](size_t i) HWY_ATTR { return rows.Get(i, vector); };
      return Gradient<T, Form, kRelu, Product>{
          {place.x, place.dy, Form{{k(0), k(1), k(2)}, k(5)}, 0}, k(3), k(4), nullptr, product};
    };
    StreamHeld(op(0), op(1), op(2), op(3), place.dx, runs * g.run_length);
  }
  // Of n cells, for a CellBlock.
  void Coefficients(int64_t first, int64_t n, R (*values)[kCellsAtATime]) const {
    FillCells(job, first, n, values[0], values[1], values[2]);
    FillThrough(job, first, n, values[3], values[4], values[5]);
  }
};

template <class T>
void ApplyGradientRuns(const BackwardJob& job, const RunTask& task) {
  WriteTask<T>(job, task, CellGradientPart<T>{job});
}

// dx of units [first, last) of rows, whose sums are known.
template <class T>
void ApplyGradientUnits(const BackwardJob& job, int64_t first, int64_t last) {
  RunWriter<T> writer(job.stream);
  WriteCellUnits(job, first, last, CellGradientPart<T>{job}, writer);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_INL_H_
