#include "src/products/outer_sum.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/products/outer_sum.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/products/outer_sum-inl.h"
// clang-format on

#if HWY_ONCE
#include "src/simd/target.h"

namespace normkit::products {

HWY_EXPORT(SumTile);

void SumOuterProducts(const LeafOrder& order, const Operands& operands, const Tile& tile, float* dw,
                      int64_t stride) {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(SumTile)(order, operands, tile, dw, stride);
}

}  // namespace normkit::products
#endif
