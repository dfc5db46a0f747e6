// The table for the target that was chosen, of each dtype. The kernels are in units of their own
// (table_unit-inl.h); here every target only declares them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/norm/cpu/kernels/tables.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "src/norm/cpu/kernels/table.h"
#include "src/simd/target.h"

namespace normkit::norm::cpu::HWY_NAMESPACE {

const KernelTable* TableF32();
const KernelTable* TableF64();
const KernelTable* TableBF16();
const KernelTable* TableF16();

}  // namespace normkit::norm::cpu::HWY_NAMESPACE

#if HWY_ONCE
namespace normkit::norm::cpu {

HWY_EXPORT(TableF32);
HWY_EXPORT(TableF64);
HWY_EXPORT(TableBF16);
HWY_EXPORT(TableF16);

const KernelTable& TableF32() { return *HWY_DYNAMIC_DISPATCH(TableF32)(); }
const KernelTable& TableF64() { return *HWY_DYNAMIC_DISPATCH(TableF64)(); }
const KernelTable& TableBF16() { return *HWY_DYNAMIC_DISPATCH(TableBF16)(); }
const KernelTable& TableF16() { return *HWY_DYNAMIC_DISPATCH(TableF16)(); }

const KernelTable& Kernels(DType dtype) {
  simd::ChooseTarget();
  switch (dtype) {
    case DType::kF64:
      return TableF64();
    case DType::kBF16:
      return TableBF16();
    case DType::kF16:
      return TableF16();
    default:  // f32: a problem is of floating-point numbers
      break;
  }
  return TableF32();
}

}  // namespace normkit::norm::cpu
#endif
