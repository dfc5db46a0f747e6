#include "src/recurrent/cells.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/recurrent/cells.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/recurrent/gru_cells-inl.h"
#include "src/recurrent/lstm_cells-inl.h"
// clang-format on

#if HWY_ONCE
#include "src/simd/target.h"

namespace normkit::recurrent {

// Chooses a target first.
#define NORMKIT_CELLS(function) \
  simd::ChooseTarget();         \
  HWY_DYNAMIC_DISPATCH(function)

HWY_EXPORT(LstmForwardRows);
HWY_EXPORT(LstmBackwardRows);
HWY_EXPORT(LstmOutputRows);
HWY_EXPORT(LstmOutputGradientRows);
HWY_EXPORT(GruForwardRows);
HWY_EXPORT(GruBackwardRows);

void LstmCells::Forward(int64_t rows) const { NORMKIT_CELLS(LstmForwardRows)(*this, rows); }

void LstmCellGradients::Backward(int64_t rows) const {
  NORMKIT_CELLS(LstmBackwardRows)(*this, rows);
}

void LstmOutputs::Forward(int64_t rows) const { NORMKIT_CELLS(LstmOutputRows)(*this, rows); }

void LstmOutputGradients::Backward(int64_t rows) const {
  NORMKIT_CELLS(LstmOutputGradientRows)(*this, rows);
}

void GruCells::Forward(int64_t rows) const {
  NORMKIT_CELLS(GruForwardRows)(*this, rows, GruPart::kWhole);
}
void GruCells::Reset(int64_t rows) const {
  NORMKIT_CELLS(GruForwardRows)(*this, rows, GruPart::kReset);
}
void GruCells::Finish(int64_t rows) const {
  NORMKIT_CELLS(GruForwardRows)(*this, rows, GruPart::kFinish);
}

void GruCellGradients::Backward(int64_t rows) const {
  NORMKIT_CELLS(GruBackwardRows)(*this, rows, GruPart::kWhole);
}
void GruCellGradients::Finish(int64_t rows) const {
  NORMKIT_CELLS(GruBackwardRows)(*this, rows, GruPart::kFinish);
}
void GruCellGradients::Reset(int64_t rows) const {
  NORMKIT_CELLS(GruBackwardRows)(*this, rows, GruPart::kReset);
}

}  // namespace normkit::recurrent
#endif
