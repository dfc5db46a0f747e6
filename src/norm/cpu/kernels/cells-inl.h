// Short runs of cells written as long ones, with one coefficient for each element.
#if defined(NORMKIT_CELLS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_CELLS_INL_H_
#undef NORMKIT_CELLS_INL_H_
#else
#define NORMKIT_CELLS_INL_H_
#endif

#include <algorithm>

#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/fold_lanes-inl.h"
#include "src/norm/cpu/kernels/write_run-inl.h"
#include "src/norm/cpu/tasks.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// n times a number that all lanes have, by whole vectors: up to one vector less an element behind
// them is written, too.
template <class D>
HWY_INLINE void FillAhead(D d, hn::Vec<D> v, hn::TFromD<D>* to, int64_t n) {
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::MaxLanes(d))) hn::StoreU(v, d, to + i);
}
template <class R>
HWY_INLINE void FillAhead(R value, R* to, int64_t n) {
  const hn::ScalableTag<R> d;
  FillAhead(d, hn::Set(d, value), to, n);
}

// An op with one coefficient for each pair of elements.
template <class Op>
struct OfPairs {
  static constexpr bool kAnywhere = true;
  static constexpr Nans kNans = Nans::kShort;
  const Op op;

  template <class Part>
  HWY_INLINE auto operator()(Part p) const {
    return op(p);
  }
};
template <class Op>
OfPairs(Op) -> OfPairs<Op>;

// Cells whose coefficients are computed side by side.
inline constexpr int64_t kCellsAtATime = 128;

// Coefficients of a stretch of the array, kArrays for each element: those of a row of cells over
// and over (channels last), or those of each cell as often as it has elements there (channels
// first).
template <class T, size_t kArrays>
class CellBlock {
  using R = Real<T>;

 public:
  static constexpr int64_t kRoom = 8192 / sizeof(R);

  // The row of cells that begins at `cell`, as often as it fits into a quarter of the room, at most
  // `most` times. Doubled: copies of 3 took as long as what they are for.
  void Repeat(const Job& job, int64_t cell, int64_t most) {
    const int64_t length = job.geometry->run_length;
    runs_ = std::max<int64_t>(1, WholeLines(std::min(kRoom / 4 / length, most), length));
    for (size_t k = 0; k < kArrays; ++k) {
      R* values = values_[k];
      std::copy_n(job.table.Get<R>(static_cast<int>(k), cell), length, values);
      for (int64_t n = length, more; n < runs_ * length; n += more) {
        more = std::min(n, runs_ * length - n);
        std::copy_n(values, more, values + n);
      }
    }
  }
  int64_t runs() const { return runs_; }

  // The cells of `count` runs, each `length` times; of runs of pairs of bf16, which no two cells
  // share, once for each.
  template <class Part>
  HWY_INLINE void Spread(const Part& part, const Loops& run_cell, int64_t first, int64_t count,
                         int64_t length) {
    HWY_ALIGN R values[kArrays][kCellsAtATime];
    of_pairs_ = kPaired<T> && length % 2 == 0 && part.takes_pairs() &&
                reinterpret_cast<uintptr_t>(part.Out(first * length)) % 4 == 0;
    const int64_t copies = of_pairs_ ? length / 2 : length;
    for (int64_t begin = 0, n; begin < count; begin += n) {
      n = std::min({kCellsAtATime, count - begin, run_cell.InARow(first + begin)});
      part.Coefficients(run_cell.Offset(first + begin), n, values);
      for (size_t k = 0; k < kArrays; ++k)
        for (int64_t i = 0; i < n; ++i)
          FillAhead(Tag<T>(), WithShortNans<T>(hn::Set(Tag<T>(), values[k][i])),
                    values_[k] + (begin + i) * copies, copies);
    }
  }
  bool of_pairs() const { return of_pairs_; }

  const R* Get(size_t k) const { return values_[k]; }

 private:
  int64_t runs_ = 0;
  bool of_pairs_ = false;
  HWY_ALIGN R values_[kArrays][kRoom + hn::MaxLanes(Tag<T>())];
};

// Short runs [first, last), of which many in a row belong to the same cells (normalization over
// positions, channels last). part(cells, at, n, writer) writes elements [at, at + n) of the array
// with the coefficients of `cells`.
template <class T, class Part>
HWY_INLINE void RepeatRuns(const Job& job, int64_t first, int64_t last, const Part& part,
                           RunWriter<T>& writer) {
  const Geometry& g = *job.geometry;
  CellBlock<T, Part::kArrays> cells;
  while (first < last) {
    const int64_t end = std::min(last, g.run_cell.EndOfSame(first));
    first += part.WriteHeld(first, end);
    if (first == end) continue;
    cells.Repeat(job, g.run_cell.Offset(first), end - first);
    for (int64_t next; first < end; first = next) {
      next = std::min(first + cells.runs(), end);
      part(cells, first * g.run_length, (next - first) * g.run_length, writer);
    }
  }
}

// Elements of an array that WriteColumns takes together: those of three fit into the L1 cache.
template <class T>
inline constexpr int64_t kColumnsRoom = 8192 / sizeof(T);
// Runs of whole vectors, of which enough are taken together to be worth it.
template <class T>
bool IsColumns(int64_t length) {
  constexpr int64_t kLeastRows = 16;
  return length % static_cast<int64_t>(hn::MaxLanes(Tag<T>())) == 0 &&
         length <= kColumnsRoom<T> / kLeastRows;
}

// Runs [first, last) likewise, through the caches: column by column, so that coefficients stay in
// registers.
// part.WriteColumn(cell, at, rows) writes a vector of each of so many rows.
template <class T, class Part>
HWY_INLINE void WriteColumns(const Job& job, int64_t first, int64_t last, const Part& part) {
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  const Geometry& g = *job.geometry;
  const int64_t n = g.run_length, most = kColumnsRoom<T> / n;
  while (first < last) {
    const int64_t cell = g.run_cell.Offset(first);
    const int64_t rows = std::min({most, last - first, g.run_cell.EndOfSame(first) - first});
    for (int64_t c = 0; c < n; c += kWidth) part.WriteColumn(cell + c, first * n + c, rows);
    first += rows;
  }
}

// Runs that are so short that the way to each takes longer than it does: many go out together.
inline constexpr int64_t kSpreadLength = 64;

// Runs [first, last), one behind the other, each of one cell. Cells that come again (batch
// normalization of many observations) are spread once for all of them.
template <class T, class Part>
HWY_NOINLINE void SpreadRuns(const Job& job, int64_t first, int64_t last, const Part& part,
                             RunWriter<T>& writer) {
  using Cells = CellBlock<T, Part::kArrays>;
  const int64_t length = job.geometry->run_length, most = Cells::kRoom / length;
  const Loops& run_cell = job.geometry->run_cell;
  const int64_t period = run_cell.Period(), end = std::min(first + period, last);
  Cells cells;
  for (int64_t begin = first, count; begin < end; begin += count) {
    count = std::min(most, end - begin);
    cells.Spread(part, run_cell, begin, count, length);
    for (int64_t run = begin; run < last; run += period)
      part(cells, run * length, std::min(count, last - run) * length, writer);
  }
}

// Results of cells on their way past the caches, which only whole cache lines go, or to what stands
// behind.
inline constexpr int64_t kCellTile = 1024;

// Elements of a cache line.
template <class T>
inline constexpr int64_t kLineOf = 64 / static_cast<int64_t>(sizeof(T));

// op(i) for i in [0, n) and what fills the last vector.
template <class R, class Op>
HWY_INLINE void StoreAhead(const Op& op, R* to, int64_t n) {
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::MaxLanes(Tag<R>())))
    hn::StoreU(op(WholeVector<R>{i}), Tag<R>(), to + i);
}
// write(cell, store) for n cells of `length` elements; store(op) writes those of one, op's results:
// past the caches by whole aligned vectors, through them, or to a tile, where the next cell
// overwrites what is too much. The last of them end where they end: nothing behind the cells is
// read.
template <class T, class Write>
HWY_INLINE void StoreCells(bool stream, T* y, Real<T>* tile, int64_t length, int64_t n,
                           const Write& write) {
  int64_t cell = 0;
  const auto to_stream = [&](const auto& op) HWY_ATTR { StreamRun(op, y + cell * length, length); };
  const auto to_y = [&](const auto& op) HWY_ATTR { StoreRun(op, y + cell * length, length); };
  const auto to_tile = [&](const auto& op)
                           HWY_ATTR { StoreAhead(op, tile + cell * length, length); };
  const auto to_end = [&](const auto& op) HWY_ATTR { StoreRun(op, tile + cell * length, length); };
  if (tile) {
    const int64_t ends = (static_cast<int64_t>(hn::MaxLanes(Tag<T>())) + length - 1) / length;
    for (; cell < n - ends; ++cell) write(cell, to_tile);
    for (; cell < n; ++cell) write(cell, to_end);
    return;
  }
  if (stream)
    for (; cell < n; ++cell) write(cell, to_stream);
  else
    for (; cell < n; ++cell) write(cell, to_y);
}

// The same one by one, where nothing is gained by long runs: each has a cell of its own.
template <class T, class Part>
HWY_NOINLINE void WriteRunsOfCells(const Job& job, int64_t first, int64_t last, const Part& part,
                                   bool straight, RunWriter<T>& writer) {
  HWY_ALIGN Real<T> values[Part::kArrays][kCellsAtATime];
  HWY_ALIGN Real<T> tile[kCellTile + hn::MaxLanes(Tag<T>())];
  const int64_t length = job.geometry->run_length;
  constexpr int64_t kMostAhead = 64 << 10;  // bytes
  // As much as is written here: the next units, which nobody has asked for yet.
  const int64_t all = (last - first) * length;
  const int64_t ahead = job.far && all * static_cast<int64_t>(sizeof(T)) <= kMostAhead ? all : 0;
  const int64_t most = straight ? kCellsAtATime : std::min(kCellsAtATime, kCellTile / length);
  for (int64_t run = first, n; run < last; run += n) {
    n = std::min(most, last - run);
    if (ahead != 0) part.Fetch(run * length + ahead, n * length);
    part.Coefficients(run, n, values);
    part.WriteCells(values, run * length, n, straight ? nullptr : tile);
    if (!straight) part.Finish(tile, run * length, n * length, writer);
  }
}
// Whether they go without a tile: through the caches the rest of a vector costs little, and past
// them there is none.
template <class T, class Part>
bool GoStraight(const Job& job, int64_t first, const Part& part) {
  constexpr auto kWidth = static_cast<int64_t>(Outgoing<T>::kWidth);
  const int64_t length = job.geometry->run_length;
  if (!part.writes_columns()) return false;
  return !job.stream ||
         (length % kWidth == 0 &&
          reinterpret_cast<uintptr_t>(part.Out(first * length)) % (kWidth * sizeof(T)) == 0);
}

// WriteRuns of what has cells.
template <class T, class Part>
HWY_INLINE void WriteCellRuns(const Job& job, int64_t first, int64_t last, const Part& part,
                              RunWriter<T>& writer) {
  const Geometry& g = *job.geometry;
  if (!g.cell_form || g.cell_vector || job.pitched || last - first == 1)
    return WriteRuns(job, first, last, part, writer);
  const bool alone = g.run_cell.IsIdentity(), straight = GoStraight<T>(job, first, part);
  if (alone && (straight || g.run_length <= kSpreadLength))
    return WriteRunsOfCells<T>(job, first, last, part, straight, writer);
  if (g.run_length <= kSpreadLength) return SpreadRuns(job, first, last, part, writer);
  WriteRuns(job, first, last, part, writer);
}

// The runs of a task.
template <class T, class Part>
void WriteTask(const Job& job, const RunTask& task, const Part& part) {
  const Geometry& g = *job.geometry;
  RunWriter<T> writer(job.stream);
  const bool whole = task.begin == 0 && task.end == g.run_length;
  const bool columns = whole && g.cell_form && g.cell_vector && !job.pitched;
  if (columns && !job.stream && part.writes_columns() && IsColumns<T>(g.run_length)) {
    WriteColumns<T>(job, task.first_run, task.last_run, part);
  } else if (columns && g.run_length <= CellBlock<T, Part::kArrays>::kRoom / 8) {
    RepeatRuns(job, task.first_run, task.last_run, part, writer);
  } else if (whole) {
    WriteCellRuns(job, task.first_run, task.last_run, part, writer);
  } else {
    for (int64_t run = task.first_run; run < task.last_run; ++run)
      part(run, task.begin, task.end, writer);
  }
}

// Units [first, last) of rows that are cells. Short runs of neighbouring units, which many
// observations have, go out together: [8,64,7,7] in the caches takes half the time.
template <class T, class Part>
HWY_NOINLINE void WriteCellUnits(const Job& job, int64_t first, int64_t last, const Part& part,
                                 RunWriter<T>& writer) {
  constexpr int64_t kWorth = 4;  // runs of a unit
  const Geometry& g = *job.geometry;
  const Nest& nest = g.statistics;
  const int64_t length = nest.inner, n = (last - first) * length;
  const int64_t begin = nest.kept.Offset(first);
  const bool spread = !job.pitched && g.cell_form && g.num_cells == g.num_units() &&
                      last - first > 1 && nest.reduced.size() >= kWorth &&
                      n <= CellBlock<T, Part::kArrays>::kRoom &&
                      nest.kept.Offset(last - 1) == begin + n - length;
  if (!spread)
    return ForRunsOfUnits(job, first, last, [&](int64_t run, int64_t end) HWY_ATTR {
      WriteCellRuns(job, run, end, part, writer);
    });
  CellBlock<T, Part::kArrays> cells;
  Loops cell;  // a unit is one
  cell.Add(last, 1);
  cells.Spread(part, cell, first, last - first, length);
  for (int64_t s = 0; s < nest.reduced.size(); ++s)
    part(cells, begin + nest.reduced.Offset(s), n, writer);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_CELLS_INL_H_
