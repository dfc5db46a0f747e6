#define NORMKIT_STORAGE Float16
#define NORMKIT_TABLE TableF16

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/norm/cpu/table_f16.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/norm/cpu/table-inl.h"
