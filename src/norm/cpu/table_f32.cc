#define NORMKIT_STORAGE float
#define NORMKIT_TABLE TableF32

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/norm/cpu/table_f32.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/norm/cpu/table-inl.h"
