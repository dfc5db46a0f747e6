// The table of one dtype and target: NORMKIT_STORAGE is the type, NORMKIT_TABLE the function that
// gives its table.
#include "src/norm/cpu/kernels/table.h"
// After the declarations.
#include "src/norm/cpu/kernels/forward-inl.h"
#include "src/norm/cpu/kernels/gradient_cells-inl.h"
#include "src/norm/cpu/kernels/gradient_columns-inl.h"
#include "src/norm/cpu/kernels/gradient_runs-inl.h"
#include "src/norm/cpu/kernels/integer_rows-inl.h"
#include "src/norm/cpu/kernels/quantize-inl.h"
#include "src/norm/cpu/kernels/reduce_col-inl.h"
#include "src/norm/cpu/kernels/strips-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

const KernelTable* NORMKIT_TABLE() {
  using T = NORMKIT_STORAGE;
  static constexpr KernelTable kTable = {
      .prepare_x = PrepareRuns<T>,
      .prepare_dy = PrepareRuns<T>,
      .prepare_dy_units = PrepareUnits<T>,
      .reduce_rows = ReduceRows<T>,
      .reduce_columns = ReduceColumns<T>,
      .finish_statistics = FinishStatistics,
      .fill_table = FillTable<Real<T>>,
      .apply_runs = ApplyRuns<T>,
      .forward_strips = ForwardStrips<T>,
      .forward_rows = ForwardRows<T>,
      .quantize = Quantize<T>,
      .largest = Largest<T>,
      .forward_integers = IntegersOf<T>(),
      .reduce_gradient_rows = ReduceGradientRows<T>,
      .reduce_gradient_columns = ReduceGradientColumns<T>,
      .fill_gradient_table = FillGradientTable<Real<T>>,
      .apply_gradient_runs = ApplyGradientRuns<T>,
      .apply_gradient_units = ApplyGradientUnits<T>,
      .backward_strip = BackwardStrip<T>,
      .reduce_element_runs = ReduceElementRuns<T>,
      .backward_runs = BackwardRuns<T>,
      .reduce_element_columns = ReduceElementColumns<T>,
      .backward_columns = BackwardColumns<T>,
      .backward_small_cells = kFoldsTogether<Real<T>> ? BackwardUnitsOfCells<T> : nullptr,
  };
  return &kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();
