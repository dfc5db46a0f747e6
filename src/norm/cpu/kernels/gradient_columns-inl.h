// The backward pass of columns in element form: layer and RMS normalization with S innermost. Each
// column has a statistic of its own, each row shares a parameter.
#if defined(NORMKIT_GRADIENT_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_COLUMNS_INL_H_
#undef NORMKIT_GRADIENT_COLUMNS_INL_H_
#else
#define NORMKIT_GRADIENT_COLUMNS_INL_H_
#endif

#include "src/norm/cpu/kernels/column_pieces.h"
#include "src/norm/cpu/kernels/gradient-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

// What the columns of a piece do with x: hi, r, e as in the forward pass, then b and constant of
// what passes through the statistics (as Through), each an array of its own.
template <class R>
struct ColumnTable {
  // Not a multiple of 4 KiB: loads of the arrays would wait for each other's cache sets.
  static constexpr int64_t kStride = ColumnPieces::kMaxColumns + 128 / sizeof(R);
  static constexpr int64_t kSize = 5 * kStride;
  R* values;

  HWY_INLINE R* hi() const { return values; }
  HWY_INLINE R* r() const { return values + kStride; }
  HWY_INLINE R* e() const { return values + 2 * kStride; }
  HWY_INLINE R* b() const { return values + 3 * kStride; }
  HWY_INLINE R* constant() const { return values + 4 * kStride; }
};

// One row of a piece: from its first column, and from its first parameter.
template <class T>
struct ColumnRow {
  const T* x;
  const T* dy;
  const Real<T>* gamma;
  const Real<T>* beta;
};

// One vector of a row.
template <class T, bool kParamVector, bool kRelu>
struct ColumnVector {
  using D = Tag<T>;
  using V = Vector<T>;
  V gamma, deviation, r, xhat, passed;

  template <class Part>
  HWY_INLINE ColumnVector(Part part, ColumnTable<Real<T>> t, const ColumnRow<T>& row) {
    gamma = kParamVector ? part.Load(row.gamma) : hn::Set(D(), *row.gamma);
    deviation = hn::Sub(part.Load(row.x), part.Load(t.hi()));
    r = part.Load(t.r());
    xhat = hn::Add(hn::Mul(deviation, r), part.Load(t.e()));
    passed = part.Load(row.dy);
    if (!kRelu) return;
    const V beta = kParamVector ? part.Load(row.beta) : hn::Set(D(), *row.beta);
    passed = PassGradient<true>(D(), hn::Add(hn::Mul(xhat, gamma), beta), passed);
  }
};

// w = gamma * dy and w * (x - hi) of some rows.
template <class T, bool kParamVector, bool kRelu>
struct ColumnElementTerms {
  using V = Vector<T>;
  ColumnTable<Real<T>> table;
  const ColumnRow<T>* rows;

  template <class Part>
  HWY_INLINE void Terms(Part part, int64_t row, V* first, V* second) const {
    const ColumnVector<T, kParamVector, kRelu> v(part, table, rows[row]);
    *first = hn::Mul(v.passed, v.gamma);
    *second = hn::Mul(*first, v.deviation);
  }
  HWY_INLINE void At(int64_t row, int64_t i, V* first, V* second) const {
    Terms(WholeVector<T>{i}, row, first, second);
  }
  HWY_INLINE void Partial(int64_t row, int64_t i, size_t n, V* first, V* second) const {
    Terms(PartOfVector<T>{i, n}, row, first, second);
  }
};

// Stores dx of a row; gives dy * xhat and dy, the terms of dgamma and dbeta.
template <class T, bool kParamVector, bool kRelu>
struct ColumnGradient {
  using V = Vector<T>;
  ColumnTable<Real<T>> table;
  ColumnRow<T> row;
  const T* old;  // what is added to; null: nothing
  T* dx;
  Real<T>* terms;  // where each column has a parameter of its own: the terms go here too

  template <class Part>
  HWY_INLINE void Terms(Part part, V* first, V* second) const {
    const ColumnVector<T, kParamVector, kRelu> v(part, table, row);
    *first = hn::Mul(v.passed, v.xhat);
    *second = v.passed;
    const V through =
        hn::Add(hn::Mul(v.deviation, part.Load(table.b())), part.Load(table.constant()));
    const V value = hn::Sub(hn::Mul(hn::Mul(v.passed, v.gamma), v.r), through);
    part.Store(old ? hn::Add(value, part.Load(old)) : value, dx);
    if (!kParamVector) return;
    part.Store(*first, terms);
    part.Store(*second, terms + ColumnPieces::kMaxColumns);
  }
  HWY_INLINE void At(int64_t i, V* first, V* second) const {
    Terms(WholeVector<T>{i}, first, second);
  }
  HWY_INLINE void Partial(int64_t i, size_t n, V* first, V* second) const {
    Terms(PartOfVector<T>{i, n}, first, second);
  }
};

struct ColumnTableTag;
struct ColumnLanesTag;
struct ColumnStageTag;
struct ColumnTermsTag;
struct GradientSumsTag;

// One piece of columns at a time.
template <class T, bool kParamVector, bool kRelu>
class ColumnBackward {
  using R = Real<T>;
  static constexpr int64_t kColumns = ColumnPieces::kMaxColumns;
  static constexpr auto kSumLanes = static_cast<int64_t>(kLanes<R>);

 public:
  explicit ColumnBackward(const Job& job)
      : job_(job),
        g_(*job.geometry),
        pieces_(g_.elements),
        table_{Scratch<ColumnTableTag, R>(ColumnTable<R>::kSize)},
        terms_(Scratch<ColumnTermsTag, R>(2 * kColumns)),
        row_(Scratch<ColumnStageTag, T>(kColumns)),
        writer_(job.dx && job.stream) {}

  // Goes to a piece, with hi, r and e of its columns.
  void Start(int64_t index) {
    const ColumnPiece piece = pieces_.Get(index);
    width_ = piece.last_column - piece.first_column;
    stat_ = piece.unit * g_.run_length + piece.first_column;
    at_ = g_.elements.kept.Offset(piece.unit) + piece.first_column;
    param_ = g_.kept_param.Offset(piece.unit) + (kParamVector ? piece.first_column : 0);
    FillForward(width_, job_.mean + stat_, job_.rstd + stat_);
  }

  // Sums of w and w * (x - hi) of the columns, over rows [first, last).
  void Sum(int64_t first, int64_t last, double* w, double* w_x) {
    std::fill_n(w, width_, 0.0);
    std::fill_n(w_x, width_, 0.0);
    for (int64_t row = first; row < last; row += kColumnGroup) {
      ColumnRow<T> rows[kColumnGroup];
      const int64_t count = std::min<int64_t>(kColumnGroup, last - row);
      for (int64_t i = 0; i < count; ++i) rows[i] = Row(row + i);
      AddTiles<T>(ColumnElementTerms<T, kParamVector, kRelu>{table_, rows}, count, width_, w, w_x);
    }
  }

  // dx of a span, and what it adds to dgamma and dbeta. The sums of a row are kept in lanes of the
  // arithmetic's type for a few pieces, then go to f64.
  void Run(const ColumnSpan& span, double* dgamma, double* dbeta) {
    const int64_t lanes = 2 * kSumLanes * (span.last_row - span.first_row);
    lanes_ = Scratch<ColumnLanesTag, R>(static_cast<size_t>(lanes));
    std::fill_n(lanes_, lanes, R(0));
    int64_t pending = 0;
    for (int64_t i = span.first_piece; i < span.last_piece; ++i) {
      const int64_t before = param_;
      Start(i);
      if (!kParamVector && pending > 0 && (pending == pieces_.per_flush() || param_ != before)) {
        FoldRows(span, before, dgamma, dbeta);
        pending = 0;
      }
      ++pending;
      FillThrough(span.gather);
      for (int64_t row = span.first_row; row < span.last_row; ++row) {
        Write(row, lanes_ + 2 * kSumLanes * (row - span.first_row));
        if (kParamVector) AddTerms(row, dgamma, dbeta);
      }
    }
    if (!kParamVector) FoldRows(span, param_, dgamma, dbeta);
  }

 private:
  ColumnRow<T> Row(int64_t row) const {
    const int64_t at = at_ + g_.elements.reduced.Offset(row);
    const int64_t param = param_ + g_.reduced_param.Offset(row);
    return {static_cast<const T*>(job_.x) + at, static_cast<const T*>(job_.dy) + at,
            static_cast<const R*>(job_.gamma) + param, static_cast<const R*>(job_.beta) + param};
  }

  // hi, r and e of the columns. Pointers that the compiler knows to be apart: f64 in vectors.
  void FillForward(int64_t width, const double* HWY_RESTRICT mean,
                   const double* HWY_RESTRICT rstd) const {
    R* HWY_RESTRICT hi = table_.hi();
    R* HWY_RESTRICT r = table_.r();
    R* HWY_RESTRICT e = table_.e();
    for (int64_t c = 0; c < width; ++c) {
      const SplitMean<R> split(mean[c]);
      hi[c] = split.hi;
      r[c] = static_cast<R>(rstd[c]);
      e[c] = static_cast<R>(-split.lo * rstd[c]);
    }
  }

  // b and constant of the columns, from E[w] and E[w * xhat].
  void FillThrough(int64_t width, const double* HWY_RESTRICT mean, const double* HWY_RESTRICT rstd,
                   const double* HWY_RESTRICT mean_w,
                   const double* HWY_RESTRICT mean_w_xhat) const {
    R* HWY_RESTRICT b = table_.b();
    R* HWY_RESTRICT constant = table_.constant();
    for (int64_t c = 0; c < width; ++c) {
      const auto through = ThroughOf(SplitMean<R>(mean[c]), rstd[c], mean_w[c], mean_w_xhat[c]);
      b[c] = through.b;
      constant[c] = through.e;
    }
  }
  void FillThrough(bool gather) {
    const double *mean = job_.mean + stat_, *rstd = job_.rstd + stat_;
    if (!gather)
      return FillThrough(width_, mean, rstd, job_.mean_w + stat_, job_.mean_w_xhat + stat_);
    double* sums = Scratch<GradientSumsTag, double>(4 * kColumns);
    Gather(sums, sums + kColumns, sums + 2 * kColumns);
    Divide(width_, mean, rstd, sums, sums + kColumns);
    FillThrough(width_, mean, rstd, sums, sums + kColumns);
  }

  // Sums of w and w * (x - hi) of the columns, over all rows.
  void Gather(double* w, double* w_x, double* slab) {
    Sum(0, pieces_.slab_begin(1), w, w_x);
    for (int64_t s = 1; s < pieces_.slabs(); ++s) {
      Sum(pieces_.slab_begin(s), pieces_.slab_begin(s + 1), slab, slab + kColumns);
      for (int64_t c = 0; c < width_; ++c) w[c] += slab[c];
      for (int64_t c = 0; c < width_; ++c) w_x[c] += slab[kColumns + c];
    }
  }

  // The sums as E[w] and E[w * xhat].
  void Divide(int64_t width, const double* HWY_RESTRICT mean, const double* HWY_RESTRICT rstd,
              double* HWY_RESTRICT w, double* HWY_RESTRICT w_x) const {
    const auto count = static_cast<double>(g_.plan.num_reduced);
    const bool center = job_.center;
    for (int64_t c = 0; c < width; ++c) {
      w_x[c] = XhatSum(SplitMean<R>(mean[c]), rstd[c], w[c], w_x[c]) / count;
      w[c] = center ? w[c] / count : 0;
    }
  }

  // dx of a row, and its terms added to lanes.
  void Write(int64_t row, R* lanes) {
    const ColumnRow<T> in = Row(row);
    T* dx = job_.dx ? static_cast<T*>(job_.dx) + (in.x - static_cast<const T*>(job_.x)) : nullptr;
    const bool in_place = dx && !job_.stream;
    LaneSums<R> sums;
    sums.Load(lanes);
    sums.AddRun(ColumnGradient<T, kParamVector, kRelu>{table_, in, job_.accumulate ? dx : nullptr,
                                                       in_place ? dx : row_, terms_},
                width_);
    sums.Store(lanes);
    if (dx && !in_place) writer_.Write(Buffered<T>{row_}, dx, width_);
  }

  // dgamma and dbeta of a row whose columns have a parameter each.
  void AddTerms(int64_t row, double* dgamma, double* dbeta) {
    const int64_t param = param_ + g_.reduced_param.Offset(row);
    for (int64_t c = 0; c < width_; ++c) dgamma[param + c] += static_cast<double>(terms_[c]);
    for (int64_t c = 0; c < width_; ++c)
      dbeta[param + c] += static_cast<double>(terms_[kColumns + c]);
  }

  void FoldRows(const ColumnSpan& span, int64_t first_param, double* dgamma, double* dbeta) {
    R* lanes = lanes_;
    for (int64_t row = span.first_row; row < span.last_row; ++row) {
      const int64_t param = first_param + g_.reduced_param.Offset(row);
      dgamma[param] += FoldLanes(lanes);
      dbeta[param] += FoldLanes(lanes + kSumLanes);
      std::fill_n(lanes, 2 * kSumLanes, R(0));
      lanes += 2 * kSumLanes;
    }
  }

  const Job& job_;
  const Geometry& g_;
  const ColumnPieces pieces_;
  const ColumnTable<R> table_;
  R* terms_;
  R* lanes_ = nullptr;
  T* row_;  // results before they are written past the caches, or that nobody wants
  RunWriter<T> writer_;
  int64_t width_ = 0;                      // of the piece
  int64_t stat_ = 0, at_ = 0, param_ = 0;  // of its first column
};

// Calls f(backward) with the class that `job` needs. f is a functor of this namespace.
template <class T, class F>
HWY_INLINE void WithColumns(const Job& job, const F& f) {
  if (job.geometry->param_vector)
    job.relu ? f(ColumnBackward<T, true, true>(job)) : f(ColumnBackward<T, true, false>(job));
  else
    job.relu ? f(ColumnBackward<T, false, true>(job)) : f(ColumnBackward<T, false, false>(job));
}

struct SumColumns {
  int64_t piece, first_row, last_row;
  double *w, *w_x;
  template <class Backward>
  HWY_INLINE void operator()(Backward&& backward) const {
    backward.Start(piece);
    backward.Sum(first_row, last_row, w, w_x);
  }
};

struct RunColumns {
  const ColumnSpan& span;
  double *dgamma, *dbeta;
  template <class Backward>
  HWY_INLINE void operator()(Backward&& backward) const {
    backward.Run(span, dgamma, dbeta);
  }
};

// Sums of w and w * (x - hi) of the columns of a piece, over rows [first_row, last_row).
template <class T>
void ReduceElementColumns(const Job& job, int64_t piece, int64_t first_row, int64_t last_row,
                          double* w, double* w_x) {
  WithColumns<T>(job, SumColumns{piece, first_row, last_row, w, w_x});
}

template <class T>
void BackwardColumns(const Job& job, const ColumnSpan& span, double* dgamma, double* dbeta) {
  WithColumns<T>(job, RunColumns{span, dgamma, dbeta});
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_COLUMNS_INL_H_
