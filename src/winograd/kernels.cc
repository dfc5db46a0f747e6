#include "src/winograd/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/winograd/kernels.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/winograd/tiles-inl.h"
#include "src/winograd/weights-inl.h"
// clang-format on

#if HWY_ONCE
#include "src/simd/target.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace normkit::winograd {
namespace HWY_NAMESPACE {

const Kernels* Table() {
  static constexpr Kernels kTable = {TransformWeights, Convolve, AddProducts, FinishWeights};
  return &kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::winograd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace normkit::winograd {

HWY_EXPORT(Table);
const Kernels& ChosenKernels() {
  simd::ChooseTarget();
  return *HWY_DYNAMIC_DISPATCH(Table)();
}

}  // namespace normkit::winograd
#endif
