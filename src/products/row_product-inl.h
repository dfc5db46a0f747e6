// Rows times packed weights, sums in registers.
#if defined(NORMKIT_ROW_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_ROW_PRODUCT_INL_H_
#undef NORMKIT_ROW_PRODUCT_INL_H_
#else
#define NORMKIT_ROW_PRODUCT_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "src/products/row_product.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::products {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using RowD = hn::CappedTag<float, 16>;
using RowVec = hn::Vec<RowD>;

// Outputs stand in panels of kPanelVectors vectors, for each input the weights of all of a panel.
// Registers hold the sums of a tile of rows: 24 of 32 where vectors have 16 lanes, else 12 of 16.
inline constexpr int kPanelVectors = 3;
inline constexpr int64_t kRowLanes = hn::MaxLanes(RowD());
inline constexpr int kTileRows = kRowLanes == 16 ? 8 : 4;
inline constexpr int64_t kPanel = kPanelVectors * kRowLanes;

inline void PackPanels(const float* w, const WeightOrder& order, float* packed) {
  for (int64_t o = 0; o < order.outputs; o += kPanel, packed += order.inputs * kPanel) {
    const int64_t width = std::min(kPanel, order.outputs - o);
    const float* from = w + o * order.output_step;
    if (width < kPanel) std::fill_n(packed, order.inputs * kPanel, 0.f);
    if (order.output_step == 1) {
      for (int64_t i = 0; i < order.inputs; ++i)
        std::copy_n(from + i * order.input_step, width, packed + i * kPanel);
      continue;
    }
    // A line of the cache of each row at a time.
    for (int64_t begin = 0; begin < order.inputs; begin += 16) {
      const int64_t end = std::min(begin + 16, order.inputs);
      for (int64_t c = 0; c < width; ++c)
        for (int64_t i = begin; i < end; ++i)
          packed[i * kPanel + c] = from[c * order.output_step + i * order.input_step];
    }
  }
}

template <int kRows, int kVectors>
HWY_INLINE void StoreRows(const RowVec (&sums)[kRows][kVectors], float* const* y, int64_t o,
                          int64_t width) {
  const RowD d;
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      float* to = y[r] + o + v * kRowLanes;
      const int64_t left = width - v * kRowLanes;
      if (left >= kRowLanes) {
        hn::StoreU(sums[r][v], d, to);
      } else {
        HWY_ALIGN float part[kRowLanes];
        hn::Store(sums[r][v], d, part);
        std::copy_n(part, left, to);
      }
    }
}

template <int kRows, int kVectors>
HWY_INLINE void BeginRows(const RowProduct& p, float* const* y, int64_t o, int64_t width,
                          RowVec (&sums)[kRows][kVectors]) {
  const RowD d;
  const auto load = [&](const float* from, int v) {
    const int64_t left = width - v * kRowLanes;
    if (left >= kRowLanes) return hn::LoadU(d, from + v * kRowLanes);
    HWY_ALIGN float part[kRowLanes] = {};
    std::copy_n(from + v * kRowLanes, left, part);
    return hn::Load(d, part);
  };
  for (int v = 0; v < kVectors; ++v) {
    if (p.begin == Begin::kThere) {
      for (int r = 0; r < kRows; ++r) sums[r][v] = load(y[r] + o, v);
    } else {
      const RowVec first = p.begin == Begin::kBias ? load(p.bias + o, v) : hn::Zero(d);
      for (int r = 0; r < kRows; ++r) sums[r][v] = first;
    }
  }
}

// kVectors vectors of outputs, the last perhaps in part: outputs [o, o + width).
template <int kRows, int kVectors>
HWY_INLINE void MultiplyTile(const RowProduct& p, const float* panel, const float* const* x,
                             float* const* y, int64_t o, int64_t width) {
  const RowD d;
  RowVec sums[kRows][kVectors];
  BeginRows(p, y, o, width, sums);
  const float* from[kRows];
  for (int r = 0; r < kRows; ++r) from[r] = x[r];
  for (int64_t i = 0; i < p.inputs; ++i, panel += kPanel) {
    RowVec w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = hn::Load(d, panel + v * kRowLanes);
    for (int r = 0; r < kRows; ++r) {
      const RowVec value = hn::Set(d, from[r][i]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(value, w[v], sums[r][v]);
    }
  }
  StoreRows(sums, y, o, width);
}

// Two panels at once: of one row each has too few sums to keep the multipliers busy.
HWY_INLINE void MultiplyRowPair(const RowProduct& p, const float* panel, const float* x, float* y,
                                int64_t o) {
  const RowD d;
  constexpr int kVectors = 2 * kPanelVectors;
  RowVec sums[1][kVectors];
  BeginRows<1, kVectors>(p, &y, o, 2 * kPanel, sums);
  const float* next = panel + p.inputs * kPanel;
  for (int64_t i = 0; i < p.inputs; ++i, panel += kPanel, next += kPanel) {
    const RowVec value = hn::Set(d, x[i]);
    for (int v = 0; v < kPanelVectors; ++v) {
      sums[0][v] = hn::MulAdd(value, hn::Load(d, panel + v * kRowLanes), sums[0][v]);
      sums[0][kPanelVectors + v] =
          hn::MulAdd(value, hn::Load(d, next + v * kRowLanes), sums[0][kPanelVectors + v]);
    }
  }
  StoreRows<1, kVectors>(sums, &y, o, 2 * kPanel);
}

template <int kVectors, int kRows = kTileRows>
HWY_INLINE void MultiplySome(int rows, const RowProduct& p, const float* panel,
                             const float* const* x, float* const* y, int64_t o, int64_t width) {
  if (rows == kRows) return MultiplyTile<kRows, kVectors>(p, panel, x, y, o, width);
  if constexpr (kRows > 1) MultiplySome<kVectors, kRows - 1>(rows, p, panel, x, y, o, width);
}

template <int kVectors>
HWY_NOINLINE void MultiplyPanel(const RowProduct& p, const float* panel, const float* const* x,
                                float* const* y, int64_t rows, int64_t o, int64_t width) {
  for (; rows >= kTileRows; rows -= kTileRows, x += kTileRows, y += kTileRows)
    MultiplyTile<kTileRows, kVectors>(p, panel, x, y, o, width);
  if (rows > 0) MultiplySome<kVectors>(static_cast<int>(rows), p, panel, x, y, o, width);
}

HWY_NOINLINE void MultiplyRows(const RowProduct& p, const float* const* x, float* const* y,
                               int64_t rows) {
  const float* panel = p.packed;
  int64_t o = 0;
  if (rows == 1)
    for (; o + 2 * kPanel <= p.outputs; o += 2 * kPanel, panel += 2 * p.inputs * kPanel)
      MultiplyRowPair(p, panel, x[0], y[0], o);
  for (; o < p.outputs; o += kPanel, panel += p.inputs * kPanel) {
    const int64_t width = std::min(kPanel, p.outputs - o);
    static_assert(kPanelVectors == 3);
    if (width > 2 * kRowLanes)
      MultiplyPanel<3>(p, panel, x, y, rows, o, width);
    else if (width > kRowLanes)
      MultiplyPanel<2>(p, panel, x, y, rows, o, width);
    else
      MultiplyPanel<1>(p, panel, x, y, rows, o, width);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::products
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_ROW_PRODUCT_INL_H_
