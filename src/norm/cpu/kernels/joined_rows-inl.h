// Blocks of rows for sums of columns; rows of few columns joined to longer ones (RowsJoined).
#if defined(NORMKIT_JOINED_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_JOINED_ROWS_INL_H_
#undef NORMKIT_JOINED_ROWS_INL_H_
#else
#define NORMKIT_JOINED_ROWS_INL_H_
#endif

#include <algorithm>

#include "src/core/scratch.h"
#include "src/norm/cpu/kernels/column_cut.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// Rows [first, last) of a unit as `count` rows of `width` elements.
struct RowsOfBlock {
  int64_t first, last;
  int64_t count, width;
};

// How the rows of a unit go into blocks.
template <class R>
class JoinedRows {
 public:
  JoinedRows(const Nest& nest, int64_t columns)
      : rows_(nest.reduced),
        columns_(columns),
        joined_(sizeof(R) == 4 && columns == nest.inner ? RowsJoined(nest) : 1) {}

  int64_t joined() const { return joined_; }
  int64_t columns() const { return columns_; }
  // Columns of a block.
  int64_t width() const { return joined_ * columns_; }
  // The block that begins with row `first` and ends before row `last`. What is left of rows that
  // are joined is one that is shorter.
  RowsOfBlock Block(int64_t first, int64_t last) const {
    const int64_t count = std::min<int64_t>((last - first) / joined_, kBlockRows);
    if (count == 0) return {first, last, 1, (last - first) * columns_};
    return {first, first + count * joined_, count, width()};
  }
  // Where its rows are; those that are joined and do not lie so are copied.
  template <class T, class PackedTag>
  HWY_INLINE void Find(const RowsOfBlock& block, const UnitOf<T>& unit, const T** rows) const {
    if (joined_ > 1) {
      const T* row =
          unit.dense() ? unit.dense() + block.first * columns_ : Pack<T, PackedTag>(block, unit);
      for (int64_t i = 0; i < block.count; ++i) rows[i] = row + i * block.width;
      return;
    }
    int64_t offsets[kBlockRows];
    for (int64_t i = 0; i < block.count; ++i) offsets[i] = rows_.Offset(block.first + i);
    unit.Rows(offsets, block.count, rows);
  }

  // `columns` numbers of each column as often as rows are joined, behind themselves.
  template <class V>
  HWY_INLINE void Repeat(V* values) const {
    for (int64_t n = columns_; n < width(); n *= 2) std::copy_n(values, n, values + n);
  }
  // The sums of all columns, from those of joined rows; zeros behind them up to a whole vector.
  HWY_INLINE void Fold(double* sums) const {
    for (int64_t n = width() / 2; n >= columns_; n /= 2) AddHalf(n, sums + n, sums);
    if (joined_ > 1) std::fill_n(sums + columns_, hn::MaxLanes(hn::ScalableTag<double>()), 0.0);
  }
  HWY_INLINE void FoldTo(double* sums, double* to) const {
    Fold(sums);
    std::copy_n(sums, columns_, to);
  }

 private:
  HWY_INLINE static void AddHalf(int64_t n, const double* HWY_RESTRICT from,
                                 double* HWY_RESTRICT to) {
    for (int64_t i = 0; i < n; ++i) to[i] += from[i];
  }
  template <class T, class PackedTag>
  HWY_NOINLINE const T* Pack(const RowsOfBlock& block, const UnitOf<T>& unit) const {
    T* row = Scratch<PackedTag, T>(static_cast<size_t>(block.count * block.width));
    for (int64_t i = block.first; i < block.last; ++i)
      CopyFew(unit.At(i * columns_), row + (i - block.first) * columns_, columns_);
    return row;
  }

  const Loops& rows_;
  int64_t columns_, joined_;
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_JOINED_ROWS_INL_H_
