// The table of one dtype and target: NORMKIT_STORAGE is the type, NORMKIT_TABLE the function that
// gives its table.
#include "src/norm/cpu/kernels/table.h"
// After the declarations.
#include "src/norm/cpu/kernels/forward-inl.h"
#include "src/norm/cpu/kernels/gradient_columns-inl.h"
#include "src/norm/cpu/kernels/gradient_runs-inl.h"
#include "src/norm/cpu/kernels/reduce_col-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

const KernelTable* NORMKIT_TABLE() {
  using T = NORMKIT_STORAGE;
  static constexpr KernelTable kTable = {PrepareRuns<T>,
                                         PrepareUnits<T>,
                                         ReduceRows<T>,
                                         ReduceColumns<T>,
                                         FillTable<Real<T>>,
                                         ApplyRuns<T>,
                                         ForwardRows<T>,
                                         ReduceGradientRows<T>,
                                         ReduceGradientColumns<T>,
                                         FillGradientTable<Real<T>>,
                                         ApplyGradientRuns<T>,
                                         ApplyGradientUnits<T>,
                                         BackwardRows<T>,
                                         ReduceElementRuns<T>,
                                         BackwardRuns<T>,
                                         ReduceElementColumns<T>,
                                         BackwardColumns<T>};
  return &kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();
