#include "src/recurrent/cells.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/recurrent/cells.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/recurrent/lstm_cells-inl.h"
// clang-format on

#if HWY_ONCE
#include "src/simd/target.h"

namespace normkit::recurrent {

HWY_EXPORT(LstmForwardRows);
HWY_EXPORT(LstmBackwardRows);

void LstmCells::Forward(int64_t rows) const {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(LstmForwardRows)(*this, rows);
}

void LstmCellGradients::Backward(int64_t rows) const {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(LstmBackwardRows)(*this, rows);
}

}  // namespace normkit::recurrent
#endif
