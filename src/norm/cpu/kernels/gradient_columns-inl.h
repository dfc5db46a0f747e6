// The backward pass of columns in element form: layer and RMS normalization with S innermost. Each
// column has a statistic of its own, each row shares a parameter or has one for each column.
#if defined(NORMKIT_GRADIENT_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_COLUMNS_INL_H_
#undef NORMKIT_GRADIENT_COLUMNS_INL_H_
#else
#define NORMKIT_GRADIENT_COLUMNS_INL_H_
#endif

#include "src/norm/cpu/kernels/column_cut.h"
#include "src/norm/cpu/kernels/gradient-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// What the columns of a strip do with x: hi, r, e as in the forward pass, then b and e of what
// passes through the statistics, each an array of its own.
template <class R>
struct StripTable {
  static constexpr int64_t kStride = kStripRoom<R>;
  static constexpr int64_t kSize = CoefficientTable::kBackwardArrays * kStride;
  R* values;

  HWY_INLINE R* Get(int array) const { return values + array * kStride; }
};

// One row of a strip, from its first column and its first parameter.
template <class T>
struct StripRow {
  const T* x;
  const T* dy;
  const Real<T>* gamma;
  const Real<T>* beta;
};

// Rows with the coefficients of their columns.
template <class T, bool kParamVector, bool kRelu>
struct StripRows {
  using R = Real<T>;
  using Table = CoefficientTable;
  using Each = Coefficient<R, true>;
  using Param = Coefficient<R, kParamVector>;
  using Form = ElementForm<T, true, kParamVector>;
  StripTable<R> table;
  const StripRow<T>* rows;

  HWY_INLINE GradientTerms<T, Form, kRelu> Row(int64_t row) const {
    const StripRow<T>& in = rows[row];
    return {in.x, in.dy,
            Form{Each(table.Get(Table::kHi)), Each(table.Get(Table::kSlope)),
                 Each(table.Get(Table::kOffset)), Param(in.gamma), Param(in.beta)}};
  }
};

// Stores dx of a row; gives dy * xhat and dy, the terms of dgamma and dbeta.
template <class T, bool kParamVector, bool kRelu>
struct StripGradient {
  using Form = ElementForm<T, true, kParamVector>;
  using V = Vector<T>;
  Gradient<T, Form, kRelu> dx;
  T* out;
  Real<T>* terms;  // where each column has a parameter of its own: the terms go here too

  template <class Part>
  HWY_INLINE void operator()(Part p, V* first, V* second) const {
    const GradientAt<Form, kRelu> at = dx.in.At(p);
    *first = dx.in.product(at.dy, at.form.Xhat(at.deviation));
    *second = at.dy;
    p.Store(dx.Dx(p, at), out);
    if (!kParamVector) return;
    p.Store(*first, terms);
    p.Store(*second, terms + kMaxStripColumns);
  }
};

struct StripTableTag;
struct StripLanesTag;
struct StripRowTag;
struct StripTermsTag;
struct StripSumsTag;

// One strip at a time.
template <class T, bool kParamVector, bool kRelu>
class StripBackward {
  using R = Real<T>;
  using Table = CoefficientTable;
  static constexpr int64_t kColumns = kMaxStripColumns;
  static constexpr auto kSumLanes = static_cast<int64_t>(kLanes<R>);
  // To one sum of a row. Of strips of 3 columns 341 went to one: off by 1.6 times the bound.
  static constexpr int64_t kStripAdditions = 16;
  static constexpr bool kExact = std::is_same_v<R, double>;

 public:
  HWY_NOINLINE explicit StripBackward(const BackwardJob& job)
      : job_(job),
        g_(*job.geometry),
        cut_(ColumnCut::ForStrips(g_.elements)),
        table_{Scratch<StripTableTag, R>(StripTable<R>::kSize)},
        terms_(Scratch<StripTermsTag, R>(2 * kColumns)),
        row_(Scratch<StripRowTag, T>(kColumns)),
        writer_(job.dx && job.stream) {}

  // Sums of w and w * (x - hi) of the columns of a task.
  void SumTask(const ColumnTask& task, double* w, double* w_x) {
    Start(task);
    Sum(task.first_row, task.last_row, w, w_x);
  }

  // dx of a task, and what it adds to the parameters. The sums of a row are kept in lanes of the
  // arithmetic's type for a few strips, then go to f64.
  void Run(const StripTask& task, const ParameterSums& parameters) {
    constexpr int64_t kLanesFor = kAdditions * kSumLanes;  // one addition to the sums of a row
    const int64_t most = std::max<int64_t>(
        1, kStripAdditions / ((cut_.strip_columns() + kLanesFor - 1) / kLanesFor));
    const int64_t lanes = 2 * kSumLanes * (task.last_row - task.first_row);
    lanes_ = Scratch<StripLanesTag, R>(static_cast<size_t>(lanes));
    std::fill_n(lanes_, lanes, R(0));
    int64_t pending = 0;
    for (int64_t i = task.first; i < task.last; ++i) {
      const int64_t before = param_;
      Start(cut_.Strip(i, 0));
      if (!kParamVector && pending > 0 && (pending == most || param_ != before)) {
        FoldRows(task, before, parameters);
        pending = 0;
      }
      ++pending;
      FillThrough(task.fused);
      for (int64_t row = task.first_row; row < task.last_row; ++row) {
        Write(row, lanes_ + 2 * kSumLanes * (row - task.first_row));
        if (kParamVector && parameters.wanted()) AddTerms(row, parameters);
      }
    }
    if (!kParamVector) FoldRows(task, param_, parameters);
  }

 private:
  // Goes to a strip, with hi, r and e of its columns.
  HWY_NOINLINE void Start(const ColumnTask& strip) {
    width_ = strip.last_column - strip.first_column;
    stat_ = strip.unit * g_.run_length + strip.first_column;
    at_ = g_.elements.kept.Offset(strip.unit) + strip.first_column;
    param_ = g_.kept_param.Offset(strip.unit) + (kParamVector ? strip.first_column : 0);
    FillStats(width_, job_.mean + stat_, job_.rstd + stat_, table_.Get(Table::kHi),
              table_.Get(Table::kSlope), table_.Get(Table::kOffset));
  }

  int64_t Place(int64_t row) const { return at_ + g_.elements.reduced.Offset(row); }
  StripRow<T> Row(int64_t row) const {
    const int64_t at = Place(row);
    const int64_t param = param_ + g_.reduced_param.Offset(row);
    return {job_.x.At<T>(at), job_.dy.At<T>(at), static_cast<const R*>(job_.gamma) + param,
            static_cast<const R*>(job_.beta) + param};
  }

  // Sums of w and w * (x - hi) of the columns, over rows [first, last).
  void Sum(int64_t first, int64_t last, double* w, double* w_x) const {
    ColumnTotals<R> totals(width_, w, w_x);
    for (int64_t row = first; row < last; row += kBlockRows) {
      StripRow<T> rows[kBlockRows];
      const int64_t count = std::min<int64_t>(kBlockRows, last - row);
      for (int64_t i = 0; i < count; ++i) rows[i] = Row(row + i);
      AddTiles<T>(StripRows<T, kParamVector, kRelu>{table_, rows}, count, width_, totals.first(),
                  totals.second());
      totals.EndBlock();
    }
    totals.Finish();
  }

  // b and e of the columns, from E[w] and E[w * xhat]: those of the job, or summed here.
  void FillThrough(bool fused) const {
    XhatMeans means;
    if (job_.means.w) means = job_.means.From(stat_);
    if (fused || !means.w) {
      means.w = Scratch<StripSumsTag, double>(6 * kColumns);
      means.w_xhat = means.w + kColumns;
      fused ? Gather(means, means.w + 2 * kColumns) : means.Clear(width_);
    }
    FillThroughs(width_, job_.mean + stat_, job_.rstd + stat_, means.w, means.w_xhat,
                 table_.Get(Table::kThroughSlope), table_.Get(Table::kThroughOffset));
  }

  // E[w] and E[w * xhat] of the columns, over all rows.
  void Gather(const XhatMeans& means, double* chunk_w) const {
    double* chunk_w_x = chunk_w + kColumns;
    double* rest = chunk_w_x + kColumns;
    if (kExact) std::fill_n(rest, 2 * kColumns, 0.0);
    Sum(0, cut_.chunk_begin(1), means.w, means.w_xhat);
    for (int64_t chunk = 1; chunk < cut_.chunks(); ++chunk) {
      Sum(cut_.chunk_begin(chunk), cut_.chunk_begin(chunk + 1), chunk_w, chunk_w_x);
      AddChunk(chunk_w, means.w, rest);
      AddChunk(chunk_w_x, means.w_xhat, rest + kColumns);
    }
    if (kExact) AddRests(width_, rest, means.w), AddRests(width_, rest + kColumns, means.w_xhat);
    means.ToXhat<R>(width_, job_.mean + stat_, job_.rstd + stat_);
    const auto count = static_cast<double>(g_.plan.num_reduced);
    means.Divide(width_, count, SquaresDivisor(job_.divisor, count), job_.center);
  }

  void AddChunk(const double* chunk, double* sums, double* rest) const {
    if (kExact)
      AddAllExactly(width_, chunk, sums, rest);
    else
      for (int64_t c = 0; c < width_; ++c) sums[c] += chunk[c];
  }

  // dx of a row, and its terms added to lanes.
  void Write(int64_t row, R* lanes) {
    using Each = Coefficient<R, true>;
    const StripRow<T> in = Row(row);
    T* dx = job_.dx ? job_.dx.At<T>(Place(row)) : nullptr;
    const bool in_place = dx && !job_.stream;
    const StripRows<T, kParamVector, kRelu> rows{table_, &in};
    LaneSums<R> sums(lanes, /*begun=*/true);
    sums.AddRun(
        StripGradient<T, kParamVector, kRelu>{
            {rows.Row(0), Each(table_.Get(Table::kThroughSlope)),
             Each(table_.Get(Table::kThroughOffset)), job_.accumulate ? dx : nullptr},
            in_place ? dx : row_,
            terms_},
        width_);
    sums.Flush();
    if (dx && !in_place) writer_.Write(Buffered<T>{row_}, dx, width_);
  }

  // What a row whose columns have a parameter each adds to them.
  void AddTerms(int64_t row, const ParameterSums& parameters) const {
    const bool of_strip = parameters.count > 0;
    const int64_t param = of_strip ? row * width_ : param_ + g_.reduced_param.Offset(row);
    AddToParameters(parameters, param, width_, terms_, terms_ + kColumns);
  }

  void FoldRows(const StripTask& task, int64_t first_param, const ParameterSums& parameters) {
    if (!parameters.wanted()) return;
    R* lanes = lanes_;
    for (int64_t row = task.first_row; row < task.last_row; ++row) {
      const int64_t param = first_param + g_.reduced_param.Offset(row);
      const double dgamma = FoldLanes(lanes), dbeta = FoldLanes(lanes + kSumLanes);
      if constexpr (kExact) {
        AddToParameters(parameters, param, 1, &dgamma, &dbeta);
      } else {
        parameters.dgamma[param - parameters.first] += dgamma;
        parameters.dbeta[param - parameters.first] += dbeta;
      }
      std::fill_n(lanes, 2 * kSumLanes, R(0));
      lanes += 2 * kSumLanes;
    }
  }

  const BackwardJob& job_;
  const Geometry& g_;
  const ColumnCut cut_;
  const StripTable<R> table_;
  R* terms_;
  R* lanes_ = nullptr;
  T* row_;  // results before they are written past the caches, or that nobody wants
  RunWriter<T> writer_;
  int64_t width_ = 0;                      // of the strip
  int64_t stat_ = 0, at_ = 0, param_ = 0;  // of its first column
};

// Calls f(backward) with the class that `job` needs. f is a functor of this namespace.
template <class T, class F>
HWY_INLINE void WithStrips(const BackwardJob& job, const F& f) {
  if (job.geometry->param_vector)
    job.relu ? f(StripBackward<T, true, true>(job)) : f(StripBackward<T, true, false>(job));
  else
    job.relu ? f(StripBackward<T, false, true>(job)) : f(StripBackward<T, false, false>(job));
}

struct SumStrip {
  const ColumnTask& task;
  double *w, *w_x;
  template <class Backward>
  HWY_INLINE void operator()(Backward&& backward) const {
    backward.SumTask(task, w, w_x);
  }
};

struct RunStrips {
  const StripTask& task;
  const ParameterSums& parameters;
  template <class Backward>
  HWY_INLINE void operator()(Backward&& backward) const {
    backward.Run(task, parameters);
  }
};

template <class T>
void ReduceElementColumns(const BackwardJob& job, const ColumnTask& task, double* w, double* w_x) {
  WithStrips<T>(job, SumStrip{task, w, w_x});
}

template <class T>
void BackwardColumns(const BackwardJob& job, const StripTask& task,
                     const ParameterSums& parameters) {
  WithStrips<T>(job, RunStrips{task, parameters});
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_COLUMNS_INL_H_
