#include "src/products/row_product.h"

#include "src/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/products/row_product.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/products/row_product-inl.h"
// clang-format on

#if HWY_ONCE
#include "src/simd/target.h"

namespace normkit::products {

HWY_EXPORT(PackPanels);
HWY_EXPORT(MultiplyRows);

namespace {

constexpr int64_t kMostPanel = 3 * 16;  // outputs, on any target
constexpr int64_t kPieceRows = 64;
constexpr int64_t kParallelProducts = 1 << 17;  // multiplications worth waking a thread for

}  // namespace

size_t PackedSize(int64_t outputs, int64_t inputs) {
  return static_cast<size_t>((outputs + kMostPanel - 1) / kMostPanel * kMostPanel * inputs);
}

void PackWeights(const float* w, const WeightOrder& order, float* packed) {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(PackPanels)(w, order, packed);
}

void RowProduct::Run(const float* const* x, float* const* y, int64_t rows) const {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(MultiplyRows)(*this, x, y, rows);
}

void RowProduct::RunAll(const float* x, int64_t x_step, float* y, int64_t y_step,
                        int64_t rows) const {
  ParallelFor((rows + kPieceRows - 1) / kPieceRows, rows * inputs * outputs >= kParallelProducts,
              [&](int64_t piece) {
                const int64_t first = piece * kPieceRows,
                              count = std::min(kPieceRows, rows - first);
                const float* from[kPieceRows];
                float* to[kPieceRows];
                for (int64_t i = 0; i < count; ++i) {
                  from[i] = x + (first + i) * x_step;
                  to[i] = y + (first + i) * y_step;
                }
                Run(from, to, count);
              });
}

}  // namespace normkit::products
#endif
