// A unit of its own for each SIMD target and dtype, NORMKIT_UNIT_TARGET and NORMKIT_STORAGE: they
// compile side by side. What hwy/foreach_target.h does for all targets in turn, for one.
#include <hwy/detect_targets.h>

#if HWY_TARGETS & NORMKIT_UNIT_TARGET  // else left out by NORMKIT_TARGETS
#undef HWY_TARGET
#define HWY_TARGET NORMKIT_UNIT_TARGET
#include "src/norm/cpu/kernels/table-inl.h"
#endif
