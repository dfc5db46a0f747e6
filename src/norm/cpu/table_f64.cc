#define NORMKIT_STORAGE double
#define NORMKIT_TABLE TableF64

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/norm/cpu/table_f64.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/norm/cpu/table-inl.h"
