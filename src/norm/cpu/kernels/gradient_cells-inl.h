// The backward pass over cells of runs: their sums, and all of it where they are small.
#if defined(NORMKIT_GRADIENT_CELLS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_CELLS_INL_H_
#undef NORMKIT_GRADIENT_CELLS_INL_H_
#else
#define NORMKIT_GRADIENT_CELLS_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "src/norm/cpu/cell_sums.h"
#include "src/norm/cpu/kernels/gradient-inl.h"
#include "src/norm/cpu/kernels/small_divisor-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Sums over one chunk of one cell, block by block.
template <class T, bool kRelu>
class CellGradient {
  using R = Real<T>;
  using Form = CellGradientForm<T, false>;
  using Terms = GradientTerms<T, Form, kRelu>;

 public:
  void Start(const BackwardJob& job, const RowBlocks& blocks, int64_t cell) {
    const auto k = CoefficientsOfCell<R>(job, cell);
    hi_ = k.hi, c_ = k.c, d_ = k.d;
    const int64_t start = job.geometry->cells.kept.Offset(cell);
    x_ = UnitOf<T>(job.x, start), dy_ = UnitOf<T>(job.dy, start);
    t_ = ShiftsOfCells<T>(job).Of(dy_);
    blocks_ = &blocks;
    ahead_ = blocks.packed() ? 0 : job.read_ahead;
  }

  // Not inlined: two that call it, thousands of elements a call.
  HWY_NOINLINE void Add(const Block& block) {
    using One = Coefficient<R, false>;
    using Sums = LaneSums<R, kPaired<T>>;
    HWY_ALIGN R totals[Sums::kSize];
    Sums lanes(totals);
    const Form form{{One(&hi_), One(&c_), One(&d_)}, One(&t_)};
    if (blocks_->packed()) {
      HWY_ALIGN T row_x[RowBlocks::kBlock], row_dy[RowBlocks::kBlock];
      Pack(*blocks_, x_, block, block.runs, row_x);
      const int64_t n = Pack(*blocks_, dy_, block, block.runs, row_dy);
      lanes.AddRun(Fetching<Terms>{{row_x, row_dy, form, 0}}, n);
    } else {
      for (int64_t run = 0; run < block.runs; ++run) {
        const int64_t at = blocks_->Offset(block, run);
        lanes.AddRun(Fetching<Terms>{{x_.At(at), dy_.At(at), form, ahead_}}, block.length);
      }
    }
    lanes.Flush();
    elements_ += block.runs * block.length;
    sum_dy_.Add(lanes.First());
    sum_dy_x_.Add(lanes.Second());
  }

  void Finish(const double* mean, double* sums) const {
    sums[0] = sum_dy_.Get(), sums[1] = sum_dy_x_.Get();
    AddCommonParts(1, static_cast<double>(elements_), &t_, mean, &sums[0], &sums[1]);
  }

 private:
  R hi_ = 0, c_ = 0, d_ = 0, t_ = 0;
  UnitOf<T> x_, dy_;
  const RowBlocks* blocks_ = nullptr;
  int64_t ahead_ = 0, elements_ = 0;
  OrderedSum sum_dy_ = OrderedSum(std::is_same_v<R, double>), sum_dy_x_ = sum_dy_;
};

// Of at most kCells cells.
template <class T, bool kRelu, int64_t kCells>
void GradientChunk(const BackwardJob& job, const UnitsOfChunk& task, double* sums) {
  const RowBlocks blocks(job.geometry->cells);
  const int64_t count = task.last - task.first;
  CellGradient<T, kRelu> cells[kCells];
  for (int64_t i = 0; i < count; ++i) cells[i].Start(job, blocks, task.first + i);
  for (int64_t b = blocks.chunk_begin(task.chunk); b < blocks.chunk_begin(task.chunk + 1); ++b) {
    const Block block = blocks.Get(b);
    for (int64_t i = 0; i < count; ++i) cells[i].Add(block);
  }
  for (int64_t i = 0; i < count; ++i)
    cells[i].Finish(job.mean + job.geometry->StatOf(task.first + i), sums + 2 * i);
}

#if HWY_TARGET <= HWY_AVX2
// Sums of `count` cells from a vector each.
inline HWY_NOINLINE void FoldCells(int64_t count, double elements, const float* t,
                                   const double* mean, const double* dy_rows,
                                   const double* dy_x_rows, double* dy, double* dy_x) {
  FoldAllRows(dy_rows, count, dy);
  FoldAllRows(dy_x_rows, count, dy_x);
  AddCommonParts(count, elements, t, mean, dy, dy_x);
}

// The same of cells of one block each, step by step for some of them: what a cell waits for (the
// end of a sum) others fill.
template <class T, bool kRelu>
class SmallCells {
  using R = Real<T>;
  using One = Coefficient<R, false>;
  using Terms = GradientTerms<T, CellGradientForm<T, false>, kRelu>;

 public:
  explicit SmallCells(const BackwardJob& job)
      : job_(job), blocks_(job.geometry->cells), block_(blocks_.Get(0)), shifts_(job) {}

  // Of `count` cells from `first` on, at most kMaxGroup, to where the job has them; what lies
  // `ahead` elements behind what is read is asked for.
  HWY_INLINE void SumTo(const CellSums& sums, int64_t first, int64_t count, int64_t ahead) {
    // Sums are folded by whole vectors.
    if (count == kMaxGroup) return Sum(first, count, ahead, sums.dy + first, sums.dy_x + first);
    Sum(first, count, ahead);
    std::copy_n(dy_, count, sums.dy + first);
    std::copy_n(dy_x_, count, sums.dy_x + first);
  }
  void Sum(int64_t first, int64_t count, int64_t ahead) { Sum(first, count, ahead, dy_, dy_x_); }
  const double* dy() const { return dy_; }
  const double* dy_x() const { return dy_x_; }

 private:
  HWY_NOINLINE void Sum(int64_t first, int64_t count, int64_t ahead, double* dy, double* dy_x) {
    const Loops& starts = job_.geometry->cells.kept;
    for (int64_t i = 0, n; i < count; i += n) {
      const Loops::Pass pass = starts.PassFrom(first + i);
      n = std::min(count - i, pass.size);
      for (int64_t k = 0; k < n; ++k) start_[i + k] = pass.offset + k * pass.stride;
    }
    double means[kMaxGroup];
    const double* mean = InARow(job_.geometry->cell_stat, first, count, job_.mean, means);
    if constexpr (kRelu)
      FillCells(job_, first, count, hi_, c_, d_);
    else
      for (int64_t i = 0; i < count; ++i) hi_[i] = SplitMean<R>(mean[i]).hi;
    shifts_.Fill(static_cast<const T*>(job_.dy.data()), start_, count, t_);
    if (block_.runs == 1 && block_.length <= LaneSums<R>::kMostFolded)
      AddRuns(count, ahead);
    else
      for (int64_t i = 0; i < count; ++i) Add(i);
    FoldCells(count, static_cast<double>(block_.runs * block_.length), t_, mean, dy_rows_,
              dy_x_rows_, dy, dy_x);
  }
  HWY_INLINE Terms TermsOf(int64_t i, int64_t ahead) const {
    return {static_cast<const T*>(job_.x.data()) + start_[i],
            static_cast<const T*>(job_.dy.data()) + start_[i],
            {{One(hi_ + i), One(c_ + i), One(d_ + i)}, One(t_ + i)},
            ahead};
  }
  HWY_INLINE void AddRuns(int64_t count, int64_t ahead) {
    const int64_t n = block_.length;
    LaneSums<R>::WithFold(n, [&](auto used, auto twice) HWY_ATTR {
      for (int64_t i = 0; i < count; ++i)
        LaneSums<R>::template FoldRun<used.value, twice.value>(Fetching<Terms>{TermsOf(i, ahead)},
                                                               n, dy_rows_ + i * kWideLanes,
                                                               dy_x_rows_ + i * kWideLanes);
    });
  }
  HWY_INLINE void Add(int64_t i) {
    HWY_ALIGN R totals[LaneSums<R>::kSize];
    LaneSums<R> lanes(totals);
    const Terms first = TermsOf(i, 0);
    Terms terms = first;
    for (int64_t run = 0; run < block_.runs; ++run) {
      const int64_t at = blocks_.Offset(block_, run);
      terms.x = first.x + at, terms.dy = first.dy + at;
      lanes.template AddRun<true>(terms, block_.length);
    }
    lanes.Fold(dy_rows_ + i * kWideLanes, dy_x_rows_ + i * kWideLanes);
  }

  const BackwardJob& job_;
  const RowBlocks blocks_;
  const Block block_;
  const ShiftsOfCells<T> shifts_;
  int64_t start_[kMaxGroup];
  HWY_ALIGN double dy_rows_[kMaxGroup * kWideLanes], dy_x_rows_[kMaxGroup * kWideLanes];
  HWY_ALIGN R hi_[kMaxGroup], c_[kMaxGroup], d_[kMaxGroup], t_[kMaxGroup];
  HWY_ALIGN double dy_[kMaxGroup], dy_x_[kMaxGroup];
};
#endif

// Sums of dy and dy * (x - hi) of each cell.
template <class T, bool kRelu>
void GradientOfCells(const BackwardJob& job, const UnitsOfChunk& task, double* sums) {
#if HWY_TARGET <= HWY_AVX2
  if constexpr (kFoldsTogether<Real<T>>) {
    const RowBlocks blocks(job.geometry->cells);
    const int64_t count = task.last - task.first;
    if (count > 1 && !job.pitched && blocks.num_blocks() == 1 && !blocks.packed()) {
      SmallCells<T, kRelu> cells(job);
      cells.Sum(task.first, count, 0);
      for (int64_t i = 0; i < count; ++i)
        sums[2 * i] = cells.dy()[i], sums[2 * i + 1] = cells.dy_x()[i];
      return;
    }
  }
#endif
  task.last - task.first == 1 ? GradientChunk<T, kRelu, 1>(job, task, sums)
                              : GradientChunk<T, kRelu, kMaxGroup>(job, task, sums);
}
template <class T>
void ReduceGradientRows(const BackwardJob& job, const UnitsOfChunk& task, double* sums) {
  job.relu ? GradientOfCells<T, true>(job, task, sums) : GradientOfCells<T, false>(job, task, sums);
}

#if HWY_TARGET <= HWY_AVX2
// n numbers by `divisor`, of which SmallDivisor knows.
HWY_INLINE void DivideAll(int64_t n, double divisor, double* values) {
  const Wide d;
  const SmallDivisor by(divisor);
  const auto most = hn::Set(d, std::numeric_limits<double>::max());
  int64_t i = 0;
  for (; i + kWideLanes <= n; i += kWideLanes) {
    const auto v = hn::LoadU(d, values + i);
    const bool finite = hn::AllTrue(d, hn::Le(hn::Abs(v), most));
    hn::StoreU(HWY_LIKELY(finite) ? by.Divide(v) : hn::Div(v, hn::Set(d, divisor)), d, values + i);
  }
  for (; i < n; ++i) values[i] /= divisor;
}

// E[w] and E[w xhat] of units [first, last) of so many cells each, whose sums are known. Not
// inlined: the same for every type, and as large as the rest.
inline HWY_NOINLINE void FinishSmallCells(const BackwardJob& job, int64_t cells, int64_t first,
                                          int64_t last) {
  const auto count = static_cast<double>(job.geometry->plan.num_reduced);
  CellsToXhat<float>(job, first * cells, last * cells);
  const XhatMeans means = job.means.From(first);
  means.Clear(last - first);
  WeighCellsOf(job, first * cells, last * cells);
  const double squares = SquaresDivisor(job.divisor, count);
  if (count > SmallDivisor::kMost) return means.Divide(last - first, count, squares, job.center);
  if (job.center)
    DivideAll(last - first, count, means.w);
  else
    std::fill_n(means.w, last - first, 0.0);
  DivideAll(last - first, squares, means.w_xhat);
}

// The whole backward pass of units [first, last) of small cells, which lie one behind the other:
// some units at a time, which stay in the L1 cache, while the next are on their way. So does what
// passes through their statistics: it goes where that of the units before was.
template <class T, bool kRelu>
HWY_NOINLINE void BackwardSmallCells(const BackwardJob& whole, int64_t first, int64_t last) {
  constexpr int64_t kBytes = 32 << 10;  // of x and dy
  BackwardJob job = whole;
  job.means = whole.means.From(first);
  const Geometry& g = *job.geometry;
  const int64_t cells = g.num_cells / g.num_units(), elements = cells * g.run_length;
  const int64_t fit = kBytes / static_cast<int64_t>(2 * sizeof(T)) / elements;
  int64_t group = std::max<int64_t>(1, std::min(fit, kCellsAtATime / cells));
  // As many as are summed together, over and over.
  if (cells == 1 && group > kMaxGroup) group -= group % kMaxGroup;
  const int64_t ahead = job.far ? group * elements : 0;
  RunWriter<T> writer(job.stream);
  SmallCells<T, kRelu> small(job);
  for (int64_t unit = first, end; unit < last; unit = end) {
    end = std::min(unit + group, last);
    job.means.begin = unit;
    PrepareUnits<T>(job, unit, end);
    const int64_t first_cell = unit * cells, last_cell = end * cells;
    for (int64_t cell = first_cell, n; cell < last_cell; cell += n) {
      n = std::min(kMaxGroup, last_cell - cell);
      small.SumTo(job.cells, cell, n, ahead);
    }
    FinishSmallCells(job, cells, unit, end);
    WriteCellUnits(job, unit, end, CellGradientPart<T>{job}, writer);
  }
}
#endif
template <class T>
void BackwardUnitsOfCells([[maybe_unused]] const BackwardJob& job, [[maybe_unused]] int64_t first,
                          [[maybe_unused]] int64_t last) {
#if HWY_TARGET <= HWY_AVX2
  if constexpr (kFoldsTogether<Real<T>>)
    job.relu ? BackwardSmallCells<T, true>(job, first, last)
             : BackwardSmallCells<T, false>(job, first, last);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_CELLS_INL_H_
