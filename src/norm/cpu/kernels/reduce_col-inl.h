// Moments of neighbouring columns over many rows: every column has its own shift and its own sums.
#if defined(NORMKIT_REDUCE_COL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_REDUCE_COL_INL_H_
#undef NORMKIT_REDUCE_COL_INL_H_
#else
#define NORMKIT_REDUCE_COL_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "src/core/scratch.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/kernels/column_cut.h"
#include "src/norm/cpu/kernels/few_rows-inl.h"
#include "src/norm/cpu/kernels/joined_rows-inl.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"
#include "src/norm/cpu/kernels/wide-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Adds what was summed in the arithmetic's type.
template <class R>
HWY_INLINE void AddTo(double* HWY_RESTRICT sums, const R* HWY_RESTRICT values, int64_t n) {
  for (int64_t c = 0; c < n; ++c) sums[c] += static_cast<double>(values[c]);
}

// Two sums for each of kCount neighbouring vectors of columns, over up to kBlockRows rows in the
// arithmetic's type, kAdditions at a time; then added to f64. op.Row(row) gives the terms of a row,
// as for LaneSums. Columns do not touch each other, so kCount does not show in the result.
template <class T, size_t kCount, class Op>
HWY_INLINE void AddTile(const Op& op, int64_t rows, int64_t column, size_t columns,
                        double* HWY_RESTRICT first_sums, double* HWY_RESTRICT second_sums) {
  using R = Real<T>;
  const Tag<T> d;
  constexpr size_t kWidth = hn::MaxLanes(Tag<T>());
  HWY_ALIGN R sums[2][kCount * kWidth];
  const bool whole = columns == kCount * kWidth;
  for (int64_t begin = 0; begin < rows; begin += kAdditions) {
    Vector<T> first[kCount], second[kCount];
    for (size_t v = 0; v < kCount; ++v) first[v] = second[v] = hn::Zero(d);
    const int64_t end = std::min(begin + kAdditions, rows);
    for (int64_t row = begin; row < end; ++row) {
      const auto terms = op.Row(row);
      HWY_UNROLL(8)
      for (size_t v = 0; v < kCount; ++v) {
        Vector<T> a, b;
        const int64_t at = column + static_cast<int64_t>(v * kWidth);
        terms.Fetch(at);
        if (kCount > 1 || whole)
          terms(WholeVector<R>{at}, &a, &b);
        else
          terms(PartOfVector<R>{at, columns}, &a, &b);
        first[v] = hn::Add(first[v], a);
        second[v] = hn::Add(second[v], b);
      }
    }
    const auto put = [begin](Vector<T> v, R* HWY_RESTRICT sum) HWY_ATTR {
      hn::Store(begin == 0 ? v : hn::Add(hn::Load(Tag<T>(), sum), v), Tag<T>(), sum);
    };
    for (size_t v = 0; v < kCount; ++v) {
      put(first[v], sums[0] + v * kWidth);
      put(second[v], sums[1] + v * kWidth);
    }
  }
  if (kCount > 1) columns = kCount * kWidth;  // a constant, for the compiler
  AddTo(first_sums + column, sums[0], static_cast<int64_t>(columns));
  AddTo(second_sums + column, sums[1], static_cast<int64_t>(columns));
}

// The same over any number of rows that lie equally far apart, kHeldElements of columns, with what
// columns have in registers as well. in.Held(c) is that of the vector of columns from c on,
// in.Take(held, c, a, b) gives the terms of those columns of its row, in.Next() goes to the next.
template <class T, class Rows>
HWY_INLINE void AddHeldRows(Rows in, int64_t rows, double* HWY_RESTRICT first_sums,
                            double* HWY_RESTRICT second_sums) {
  using R = Real<T>;
  const Tag<T> d;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  HWY_ALIGN R sums[2][kHeldElements<T>];
  const decltype(in.Held(0)) held[kHeldVectors] = {in.Held(0), in.Held(kWidth), in.Held(2 * kWidth),
                                                   in.Held(3 * kWidth)};
  for (int64_t block = 0; block < rows; block += kBlockRows) {
    const int64_t block_end = std::min(block + kBlockRows, rows);
    for (int64_t begin = block; begin < block_end; begin += kAdditions) {
      Vector<T> first[kHeldVectors], second[kHeldVectors];
      for (int64_t v = 0; v < kHeldVectors; ++v) first[v] = second[v] = hn::Zero(d);
      const int64_t end = std::min(begin + kAdditions, block_end);
      for (int64_t row = begin; row < end; ++row) {
        HWY_UNROLL(4)
        for (int64_t v = 0; v < kHeldVectors; ++v) {
          Vector<T> a, b;
          in.Take(held[v], v * kWidth, &a, &b);
          first[v] = hn::Add(first[v], a);
          second[v] = hn::Add(second[v], b);
        }
        in.Next();
      }
      const auto put = [&](Vector<T> v, R* HWY_RESTRICT sum) HWY_ATTR {
        hn::Store(begin == block ? v : hn::Add(hn::Load(Tag<T>(), sum), v), Tag<T>(), sum);
      };
      for (int64_t v = 0; v < kHeldVectors; ++v) {
        put(first[v], sums[0] + v * kWidth);
        put(second[v], sums[1] + v * kWidth);
      }
    }
    AddTo(first_sums, sums[0], kHeldElements<T>);
    AddTo(second_sums, sums[1], kHeldElements<T>);
  }
}

// Whether it suits: f32 and 16 bits, whose sums of blocks go to f64 one by one.
template <class T>
bool AreHeldRows(const Loops& rows, int64_t first, int64_t count, int64_t width) {
  return kHoldsRows && sizeof(Real<T>) == 4 && width == kHeldElements<T> &&
         rows.PassFrom(first).size >= count;
}

// The same over any number of columns, their sums in registers.
template <class T, class Op>
HWY_INLINE void AddTiles(const Op& op, int64_t rows, int64_t width, double* first_sums,
                         double* second_sums) {
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  constexpr size_t kTile = 4;
  int64_t c = 0;
  for (; c + static_cast<int64_t>(kTile) * kWidth <= width;
       c += static_cast<int64_t>(kTile) * kWidth)
    AddTile<T, kTile>(op, rows, c, kTile * static_cast<size_t>(kWidth), first_sums, second_sums);
  for (; c < width; c += kWidth)
    AddTile<T, 1>(op, rows, c, static_cast<size_t>(std::min(kWidth, width - c)), first_sums,
                  second_sums);
}

// The same in the order of memory, row by row, their sums in the L1 cache: a third more
// instructions, but from memory tiles of some columns break the streams that processors prefetch
// (a column of 6,272 rows of 256: 12 GB/s by tiles, 29 by rows).
template <class T, class Op>
HWY_INLINE void AddRows(const Op& op, int64_t rows, int64_t width, double* first_sums,
                        double* second_sums) {
  using R = Real<T>;
  const Tag<T> d;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  constexpr int64_t kPart = 4096 / sizeof(R);
  HWY_ALIGN R sums[kBlockRows / kAdditions][2][kPart];  // of kAdditions rows each
  for (int64_t begin = 0; begin < width; begin += kPart) {
    const int64_t n = std::min(kPart, width - begin);
    const int64_t filled = (n + kWidth - 1) / kWidth * kWidth;
    for (int64_t row = 0; row < rows; ++row) {
      R* HWY_RESTRICT first = sums[row / kAdditions][0];
      R* HWY_RESTRICT second = sums[row / kAdditions][1];
      if (row % kAdditions == 0) {
        std::fill_n(first, filled, R(0));
        std::fill_n(second, filled, R(0));
      }
      const auto terms = op.Row(row);
      Vector<T> a, b;
      int64_t c = 0;
      for (; c + kWidth <= n; c += kWidth) {
        terms.Fetch(begin + c);
        terms(WholeVector<R>{begin + c}, &a, &b);
        hn::Store(hn::Add(hn::Load(d, first + c), a), d, first + c);
        hn::Store(hn::Add(hn::Load(d, second + c), b), d, second + c);
      }
      if (c == n) continue;
      terms.Fetch(begin + c);  // one line missed stops all that is on its way
      terms(PartOfVector<R>{begin + c, static_cast<size_t>(n - c)}, &a, &b);
      hn::Store(hn::Add(hn::Load(d, first + c), a), d, first + c);
      hn::Store(hn::Add(hn::Load(d, second + c), b), d, second + c);
    }
    for (int64_t k = 1; k * kAdditions < rows; ++k)
      for (int64_t sum = 0; sum < 2; ++sum)
        for (int64_t c = 0; c < n; ++c) sums[0][sum][c] += sums[k][sum][c];
    AddTo(first_sums + begin, sums[0][0], n);
    AddTo(second_sums + begin, sums[0][1], n);
  }
}

// Whichever of the two is better: `few` rows are streams that processors follow side by side.
template <class T, class Op>
HWY_INLINE void AddColumns(const Op& op, bool from_memory, bool few, int64_t rows, int64_t width,
                           double* first_sums, double* second_sums) {
  constexpr int64_t kOneTile = 256 / sizeof(Real<T>);
  if (from_memory && !few && width > kOneTile)
    AddRows<T>(op, rows, width, first_sums, second_sums);
  else
    AddTiles<T>(op, rows, width, first_sums, second_sums);
}

// sums += values, and to `rest` what that rounds off.
HWY_INLINE void AddAllExactly(int64_t n, const double* HWY_RESTRICT values,
                              double* HWY_RESTRICT sums, double* HWY_RESTRICT rest) {
  for (int64_t c = 0; c < n; ++c) AddExactly(values[c], sums[c], rest[c]);
}

struct ColumnTotalsTag;

// Two sums for each of `width` columns over any number of rows, which begin with 0: where blocks
// are to be added, and of f64 what rounding takes of them, some blocks at a time.
template <class R>
class ColumnTotals {
  static constexpr bool kExact = std::is_same_v<R, double>;
  static constexpr int64_t kBlocks = 4;  // rounded one after the other

 public:
  ColumnTotals(int64_t width, double* first, double* second)
      : width_(width), totals_{first, second}, to_{first, second} {
    for (double* total : totals_) std::fill_n(total, width, 0.0);
    if (!kExact) return;
    double* memory = Scratch<ColumnTotalsTag, double>(static_cast<size_t>(4 * width));
    std::fill_n(memory, 4 * width, 0.0);
    for (int64_t k = 0; k < 2; ++k) to_[k] = memory + k * width, rest_[k] = to_[k] + 2 * width;
  }
  // Where the next block of rows is added.
  double* first() const { return to_[0]; }
  double* second() const { return to_[1]; }
  void EndBlock() {
    if (kExact && ++blocks_ == kBlocks) Flush();
  }
  void Finish() {
    if (!kExact) return;
    Flush();
    for (int k = 0; k < 2; ++k) AddRests(width_, rest_[k], totals_[k]);
  }

 private:
  void Flush() {
    for (int k = 0; k < 2; ++k) {
      AddAllExactly(width_, to_[k], totals_[k], rest_[k]);
      std::fill_n(to_[k], width_, 0.0);
    }
    blocks_ = 0;
  }

  int64_t width_, blocks_ = 0;
  double* totals_[2];
  double* to_[2];
  double* rest_[2] = {};
};

// How far ahead rows are fetched from memory, in elements; 0: not. On Zen 4 1 to 4 KiB ahead is
// slower than nothing, 8 to 16 twice as fast as 2.
inline constexpr int64_t kRowBytesAhead = 8192;
template <class T>
int64_t RowsAhead(bool from_memory, const UnitOf<T>& unit, const Loops& rows, int64_t width,
                  int64_t bytes) {
  if (!from_memory || rows.size() < 2) return 0;
  const int64_t stride = unit.At(rows.Offset(1)) - unit.At(rows.Offset(0));
  return stride * std::max<int64_t>(1, bytes / (width * static_cast<int64_t>(sizeof(T))));
}

// x - shift and its square of a row; without centering only the square. Both of x * scale where
// some column is scaled (reduce_row-inl.h).
template <class T, bool kCenter, bool kScaled>
struct ColumnDeviations {
  using V = Vector<T>;
  const T* x;
  const Real<T>* shift;
  const Real<T>* scale;
  int64_t ahead;
  Products<Real<T>> product;

  HWY_INLINE void Fetch(int64_t column) const { FetchAhead(x + column, ahead); }
  // Lanes beyond the end are never read.
  template <class Part>
  HWY_INLINE void operator()(Part p, V* first, V* second) const {
    const V value = kScaled ? product(p.Load(x), p.Load(scale)) : p.Load(x);
    Take(value, kCenter ? p.Load(shift) : hn::Zero(Tag<T>()), product, first, second);
  }
  HWY_INLINE static void Take(V value, V of_shift, const Products<Real<T>>& product, V* first,
                              V* second) {
    *first = kCenter ? hn::Sub(value, of_shift) : hn::Zero(Tag<T>());
    *second = kCenter ? product(*first, *first) : product(value, value);
  }
};

template <class T, bool kCenter, bool kScaled>
struct ColumnRows {
  const T* const* rows;
  const Real<T>* shift;
  const Real<T>* scale;
  int64_t ahead;
  Products<Real<T>> product = {};

  HWY_INLINE ColumnDeviations<T, kCenter, kScaled> Row(int64_t row) const {
    return {rows[row], shift, scale, ahead, product};
  }
};

// The same rows, for AddHeldRows.
template <class T, bool kCenter>
struct HeldColumnRows {
  using V = Vector<T>;
  const T* x;
  int64_t step;
  const Real<T>* shift;
  int64_t ahead;
  Products<Real<T>> product = {};

  HWY_INLINE V Held(int64_t column) const { return hn::Load(Tag<T>(), shift + column); }
  HWY_INLINE void Take(V held, int64_t column, V* first, V* second) const {
    FetchAhead(x + column, ahead);
    using Terms = ColumnDeviations<T, kCenter, false>;
    Terms::Take(LoadAny(Tag<T>(), x + column), held, product, first, second);
  }
  HWY_INLINE void Next() { x += step; }
};

struct ColumnShiftTag;
struct ColumnScaleTag;
struct ColumnSumsTag;
struct ColumnRestTag;
struct ColumnPackedTag;

template <class T, bool kCenter>
class ColumnMoments {
  using R = Real<T>;
  static constexpr bool kExact = std::is_same_v<R, double>;

 public:
  ColumnMoments(const ForwardJob& job, const ColumnTask& task)
      : from_memory_(job.stream),
        reduced_(job.geometry->reduce.reduced),
        x_{job.x, job.geometry->reduce.kept.Offset(task.unit) + task.first_column},
        width_(task.last_column - task.first_column),
        joined_(job.geometry->reduce, width_),
        ahead_(RowsAhead<T>(from_memory_, x_, reduced_, width_, kRowBytesAhead)),
        shift_(Scratch<ColumnShiftTag, R>(kMaxTaskColumns)),  // whole vectors
        scale_(Scratch<ColumnScaleTag, R>(kMaxTaskColumns)),
        sum_(Scratch<ColumnSumsTag, double>(2 * kMaxTaskColumns)),
        squares_(sum_ + kMaxTaskColumns),
        rest_(kExact ? Scratch<ColumnRestTag, MomentsRest>(kMaxTaskColumns) : nullptr) {
    if (kExact) std::fill_n(rest_, width_, MomentsRest{});
  }

  // Moments of rows [first, last), into mean and m2 of every column.
  void Gather(int64_t first, int64_t last, double* mean, double* m2) {
#if HWY_TARGET <= HWY_AVX2
    if constexpr (!kExact) {
      const bool few = last - first <= kBlockRows && joined_.joined() == 1;
      if (few && GatherFew(first, last, mean, m2)) return;
    }
#endif
    double n = 0;
    const int64_t shift_rows = kShiftRows * joined_.joined();
    for (int64_t row = first; row < last; row += shift_rows) {
      const int64_t end = std::min(row + shift_rows, last);
      Sums(row, end);
      const bool scaled = Scale(row, end, n, mean, m2);
      Merge(static_cast<double>(end - row), n, scaled, mean, m2);
      n += static_cast<double>(end - row);
    }
  }

 private:
  using D = hn::ScalableTag<double>;
  static constexpr auto kWide = static_cast<int64_t>(hn::MaxLanes(D()));

  const T* Row(int64_t row) const { return x_.At(reduced_.Offset(row)); }

#if HWY_TARGET <= HWY_AVX2
  // The same of few rows; false where squares leave the range.
  HWY_NOINLINE bool GatherFew(int64_t first, int64_t last, double* mean, double* m2) const {
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
    const T* rows[kBlockRows];
    for (int64_t row = first; row < last; ++row) rows[row - first] = Row(row);
    const FewRows<kCenter> few(last - first);
    Halves to_mean, to_m2;
    int64_t c = 0;
    for (; c + kWidth <= width_; c += kWidth) {
      const auto load = [&](int64_t row) HWY_ATTR { return LoadAny(Tag<T>(), rows[row] + c); };
      if (!few.Take(load, to_mean, to_m2)) return false;
      StoreHalves(to_mean, mean + c);
      StoreHalves(to_m2, m2 + c);
    }
    if (c == width_) return true;
    const auto n = static_cast<size_t>(width_ - c);
    const auto load = [&](int64_t row) HWY_ATTR { return LoadPartial(Tag<T>(), rows[row] + c, n); };
    if (!few.Take(load, to_mean, to_m2)) return false;
    HWY_ALIGN double room[kWidth];
    StoreHalves(to_mean, room);
    std::copy_n(room, n, mean + c);
    StoreHalves(to_m2, room);
    std::copy_n(room, n, m2 + c);
    return true;
  }
#endif

  // Sums of some rows around shifts that suit them.
  void Sums(int64_t first, int64_t last) {
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
    std::fill_n(shift_, (width_ + kWidth - 1) / kWidth * kWidth, R(0));
    if (kCenter) Guess(first, std::min(first + kBlockRows, last));
    Sum<false>(first, last);
    if (kCenter && Improve(static_cast<double>(last - first), /*scaled=*/false))
      Sum<false, true>(first, last);
  }

  // Whether no column calls for a scale, in vectors: of few rows this took longer than their sums.
  HWY_INLINE bool AllWithinRange(double n) const {
    const D d;
    for (int64_t c = 0; c < width_; c += kWide)
      if (!hn::AllTrue(d, AreWithinRange(n, hn::LoadU(d, sum_ + c), hn::LoadU(d, squares_ + c))))
        return false;
    return true;
  }

  // The same of columns whose squares leave the range of f32, scaled; the others get the sums that
  // they have. Whether there are any; those that are NaN already are none.
  HWY_NOINLINE bool Scale(int64_t first, int64_t last, double before, const double* mean,
                          const double* m2) {
    if constexpr (!kExact) {
      const auto n = static_cast<double>(last - first);
      if (AllWithinRange(n) || !FillScales(n, before, mean, m2)) return false;
      if (kCenter) GuessScaled(first, std::min(first + kBlockRows, last));
      Sum<true>(first, last);
      if (kCenter && Improve(n, /*scaled=*/true)) Sum<true>(first, last);
      return true;
    }
    return false;
  }

  // Whether there are any but 1.
  HWY_INLINE bool FillScales(double n, double before, const double* mean, const double* m2) {
    const D d;
    const auto one = hn::Set(d, 1.0), up = hn::Set(d, kScaleUp), down = hn::Set(d, kScaleDown);
    bool any = false;
    for (int64_t c = 0; c < width_; c += kWide) {
      const auto sum = hn::LoadU(d, sum_ + c), squares = hn::LoadU(d, squares_ + c);
      const auto small = hn::Lt(squares, hn::Set(d, n * kTinySquare));
      const auto scale =
          hn::IfThenElse(AreWithinRange(n, sum, squares), one, hn::IfThenElse(small, up, down));
      any |= !hn::AllTrue(d, hn::Eq(StoreNarrow(scale, scale_ + c), one));
    }
    if (before == 0) return any;
    any = false;
    for (int64_t c = 0; c < width_; ++c) {
      if (!std::isfinite(mean[c] + m2[c])) scale_[c] = 1;
      any |= scale_[c] != 1;
    }
    return any;
  }

  // Shifts of the columns that are scaled, in vectors: there may be no others. Of two NaN the last
  // one is kept.
  HWY_INLINE void GuessScaled(int64_t first, int64_t last) {
    const Tag<T> d;
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
    const T* rows[kBlockRows];
    for (int64_t row = first; row < last; ++row) rows[row - first] = Row(row);
    const auto n = hn::Set(d, static_cast<R>(last - first));
    const Products<R> product;
    const auto take = [&](auto part) HWY_ATTR {
      const auto scale = part.Load(scale_);
      const auto kept = hn::Eq(scale, hn::Set(d, R(1)));
      if (hn::AllTrue(d, kept)) return;
      auto shift = hn::Zero(d);
      for (int64_t row = 0; row < last - first; ++row) {
        const auto x = product(part.Load(rows[row]), scale);
        shift = hn::IfThenElse(hn::IsNaN(x), x, hn::Add(x, shift));  // compilers swap summands
      }
      const auto mean = hn::Div(hn::IfThenZeroElse(kept, shift), n);  // as MendRows
      part.Store(hn::IfThenElse(kept, part.Load(shift_), mean), shift_);
    };
    int64_t c = 0;
    for (; c + kWidth <= width_; c += kWidth) take(WholeVector<R>{c});
    if (c < width_) take(PartOfVector<R>{c, static_cast<size_t>(width_ - c)});
  }

  void Guess(int64_t first, int64_t last) {
    const Tag<T> d;
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
    const auto weight = hn::Set(d, R(1) / static_cast<R>(last - first));
    const Products<R> product;
    const int64_t whole = width_ - width_ % kWidth;
    for (int64_t row = first; row < last; ++row) {
      const T* x = Row(row);
      for (int64_t c = 0; c < whole; c += kWidth)
        hn::Store(hn::Add(hn::Load(d, shift_ + c), LoadAny(d, x + c)), d, shift_ + c);
      for (int64_t c = whole; c < width_; ++c) shift_[c] += static_cast<R>(ToDouble(x[c]));
    }
    for (int64_t c = 0; c < width_; c += kWidth)
      hn::Store(product(hn::Load(d, shift_ + c), weight), d, shift_ + c);
  }

  // Once more from the caches, by tiles.
  template <bool kScaled, bool kAgain = false>
  void Sum(int64_t first, int64_t last) {
    const int64_t width = joined_.width(), filled = (width + kWide - 1) / kWide * kWide;
    std::fill_n(sum_, filled, 0.0);
    std::fill_n(squares_, filled, 0.0);
    joined_.Repeat(shift_);
    if (kScaled) joined_.Repeat(scale_);
    if constexpr (kHoldsRows && !kExact && !kScaled && !kAgain) first += SumHeld(first, last);
    for (RowsOfBlock block; first < last; first = block.last) {
      block = joined_.Block(first, last);
      const T* rows[kBlockRows];
      joined_.template Find<T, ColumnPackedTag>(block, x_, rows);
      const ColumnRows<T, kCenter, kScaled> op{rows, shift_, scale_, ahead_};
      AddColumns<T>(op, from_memory_ && !kAgain, reduced_.size() <= kBlockRows, block.count,
                    block.width, sum_, squares_);
    }
    joined_.Fold(sum_);
    joined_.Fold(squares_);
  }

  // As many of rows [first, last) as are held in registers.
  int64_t SumHeld(int64_t first, int64_t last) const {
    const int64_t width = joined_.width(), joined = joined_.joined(),
                  rows = (last - first) / joined;
    if (!x_.dense() || !AreHeldRows<T>(reduced_, first, rows * joined, width)) return 0;
    const int64_t step = reduced_.PassFrom(first).stride * joined;
    AddHeldRows<T>(HeldColumnRows<T, kCenter>{Row(first), step, shift_, ahead_}, rows, sum_,
                   squares_);
    return rows * joined;
  }

  // Moves the shifts that lie more than a standard deviation from their means: nearer than in rows,
  // since the errors of a column are not averaged over lanes. The others stay, so that what one
  // column needs does not show in another. Once there are scales, of those that are scaled.
  bool Improve(double n, bool scaled) {
    bool any = false;
    const D d;
    const auto half_n = hn::Set(d, 0.5 * n), one = hn::Set(d, 1.0);
    for (int64_t c = 0; c < width_; c += kWide) {
      const auto sum = hn::LoadU(d, sum_ + c), squares = hn::LoadU(d, squares_ + c);
      auto far = hn::Gt(hn::Mul(sum, sum), hn::Mul(half_n, squares));
      if (scaled) far = hn::And(far, hn::Ne(LoadWide(scale_ + c), one));
      if (hn::AllFalse(d, far)) continue;
      any = true;
      const auto shift = LoadWide(shift_ + c);
      const auto moved = hn::Add(shift, hn::Div(sum, hn::Set(d, n)));
      StoreNarrow(hn::IfThenElse(far, moved, shift), shift_ + c);
    }
    return any;
  }

  void Merge(double n, double before, bool scaled, double* HWY_RESTRICT mean,
             double* HWY_RESTRICT m2) {
    const double share = n / (before + n);
    for (int64_t c = 0; c < width_; ++c) {
      double new_mean = kCenter ? static_cast<double>(shift_[c]) + sum_[c] / n : 0;
      double new_m2 = kCenter ? std::max(squares_[c] - sum_[c] * (sum_[c] / n), 0.0) : squares_[c];
      if (scaled) {
        const double factor = 1 / static_cast<double>(scale_[c]);
        new_mean *= factor, new_m2 *= factor * factor;
      }
      const double delta = new_mean - mean[c];
      if (before == 0) {
        mean[c] = new_mean, m2[c] = new_m2;
      } else if (kExact) {
        MergeExactly(new_mean, new_m2, before, share, mean[c], m2[c], rest_[c]);
      } else {  // as Moments::Merge
        mean[c] += delta * share;
        m2[c] += new_m2 + delta * delta * (before * share);
      }
    }
  }

  const bool from_memory_;
  const Loops reduced_;
  const UnitOf<T> x_;
  const int64_t width_;
  const JoinedRows<R> joined_;
  const int64_t ahead_;
  R* shift_;
  R* scale_;
  double* sum_;
  double* squares_;
  MomentsRest* rest_;  // null: not kept
};

template <class T>
void ReduceColumns(const ForwardJob& job, const ColumnTask& task, double* mean, double* m2) {
  if (job.center)
    ColumnMoments<T, true>(job, task).Gather(task.first_row, task.last_row, mean, m2);
  else
    ColumnMoments<T, false>(job, task).Gather(task.first_row, task.last_row, mean, m2);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_REDUCE_COL_INL_H_
