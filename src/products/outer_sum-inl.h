// Outer products in registers, merged in the first cache.
#if defined(NORMKIT_OUTER_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_OUTER_SUM_INL_H_
#undef NORMKIT_OUTER_SUM_INL_H_
#else
#define NORMKIT_OUTER_SUM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "src/core/scratch.h"
#include "src/products/outer_sum.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::products {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using Vec = hn::Vec<D>;

// What stands in registers: rows of the weights times vectors.
inline constexpr int kRows = 4, kVectors = 2;
inline constexpr int kWaiting = std::bit_width(unsigned{BatchPart::kLeaves - 1});  // sums, at most
using Sums = Vec[kRows][kVectors];
inline constexpr int64_t kLanes = hn::MaxLanes(D()), kWidth = kVectors * kLanes;

template <class F>
HWY_INLINE void ForEach(const F& f) {
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) f(r, v, r * kWidth + v * kLanes);
}

// `count` columns of rows `stride` apart, in panels of kWidth columns side by side, the last filled
// up with zeros: strides that are powers of two would meet in the same lines of the cache.
template <int64_t kWidth>
HWY_INLINE void Pack(const float* from, int64_t rows, int64_t stride, int64_t count, float* to) {
  for (int64_t c = 0; c < count; c += kWidth) {
    const int64_t n = count - c;
    for (int64_t row = 0; row < rows; ++row, to += kWidth) {
      const float* at = from + row * stride + c;
      if (n >= kWidth)
        std::memcpy(to, at, kWidth * sizeof(float));
      else
        for (int64_t i = 0; i < kWidth; ++i) to[i] = i < n ? at[i] : 0.f;
    }
  }
}

// Of the rows of one leaf, in order.
HWY_INLINE void SumLeaf(const float* x, const float* dy, int64_t rows, Sums& sums) {
  const D d;
  Vec right[kVectors];
  const auto load = [&] {
    for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, x + v * kLanes);
  };
  load();
  ForEach([&](int r, int v, int64_t) { sums[r][v] = hn::Mul(hn::Set(d, dy[r]), right[v]); });
  for (int64_t row = 1; row < rows; ++row) {
    x += kWidth;
    dy += kRows;
    load();
    for (int r = 0; r < kRows; ++r) {
      const Vec left = hn::Set(d, dy[r]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(left, right[v], sums[r][v]);
    }
  }
}

// Adds the sum of a leaf of few rows, each element's in one register.
template <int kLeafRows>
HWY_INLINE void AddLeaf(const float* x, const float* dy, Sums& sums) {
  const D d;
  Vec right[kLeafRows][kVectors];
  for (int row = 0; row < kLeafRows; ++row)
    for (int v = 0; v < kVectors; ++v) right[row][v] = hn::LoadU(d, x + row * kWidth + v * kLanes);
  for (int r = 0; r < kRows; ++r) {
    Vec left[kLeafRows];
    for (int row = 0; row < kLeafRows; ++row) left[row] = hn::Set(d, dy[row * kRows + r]);
    for (int v = 0; v < kVectors; ++v) {
      Vec sum = hn::Mul(left[0], right[0][v]);
      for (int row = 1; row < kLeafRows; ++row) sum = hn::MulAdd(left[row], right[row][v], sum);
      sums[r][v] = hn::Add(sums[r][v], sum);
    }
  }
}

HWY_INLINE void Keep(const Sums& sums, float* to) {
  ForEach([&](int r, int v, int64_t at) { hn::Store(sums[r][v], D(), to + at); });
}
HWY_INLINE void AddKept(const float* from, Sums& sums) {
  ForEach([&](int r, int v, int64_t at) {
    sums[r][v] = hn::Add(hn::Load(D(), from + at), sums[r][v]);
  });
}

// Of all leaves, from one panel of each operand.
HWY_INLINE void SumNode(const LeafOrder& order, const float* x, const float* dy, Sums& sums) {
  HWY_ALIGN float kept[kWaiting * kRows * kWidth];
  const int64_t size = kRows * kWidth;
  const LeafOrder::Leaf* leaf = order.begin();
  SumLeaf(x, dy, leaf->rows, sums);
  for (float* top = kept; leaf + 1 < order.end();) {
    x += leaf->rows * kWidth;
    dy += leaf->rows * kRows;
    ++leaf;
    int merges = leaf->merges;
    if (merges > 0 && leaf->rows == 1) {
      AddLeaf<1>(x, dy, sums), --merges;
    } else if (merges > 0 && leaf->rows == 2) {
      AddLeaf<2>(x, dy, sums), --merges;
    } else {
      Keep(sums, top);
      top += size;
      SumLeaf(x, dy, leaf->rows, sums);
    }
    for (; merges > 0; --merges) {
      top -= size;
      AddKept(top, sums);
    }
  }
}

HWY_INLINE void StoreSums(const Sums& sums, int64_t rows, int64_t columns, float* to,
                          int64_t stride) {
  const D d;
  if (rows >= kRows && columns >= kWidth)
    return ForEach(
        [&](int r, int v, int64_t) { hn::StoreU(sums[r][v], d, to + r * stride + v * kLanes); });
  HWY_ALIGN float all[kRows * kWidth];
  ForEach([&](int r, int v, int64_t at) { hn::Store(sums[r][v], d, all + at); });
  for (int64_t r = 0; r < std::min<int64_t>(rows, kRows); ++r)
    std::copy_n(all + r * kWidth, std::min(columns, kWidth), to + r * stride);
}

HWY_NOINLINE void SumTile(const LeafOrder& order, const Operands& o, const Tile& tile, float* dw,
                          int64_t stride) {
  struct PackedTag;
  const int64_t rows = order.rows(), first = order.first_row();
  const int64_t of_x = rows * hwy::RoundUpTo(tile.columns, kWidth),
                of_dy = rows * hwy::RoundUpTo(tile.rows, kRows);
  float* x = Scratch<PackedTag, float>(static_cast<size_t>(of_x + of_dy));
  float* dy = x + of_x;
  Pack<kWidth>(o.x + first * o.inputs + tile.i, rows, o.inputs, tile.columns, x);
  Pack<kRows>(o.dy + first * o.outputs + tile.o, rows, o.outputs, tile.rows, dy);
  for (int64_t c = 0; c < tile.columns; c += kWidth)
    for (int64_t r = 0; r < tile.rows; r += kRows) {
      Sums sums;
      SumNode(order, x + c * rows, dy + r * rows, sums);
      StoreSums(sums, tile.rows - r, tile.columns - c, dw + r * stride + c, stride);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::products
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_OUTER_SUM_INL_H_
