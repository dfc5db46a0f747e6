#define NORMKIT_STORAGE BFloat16
#define NORMKIT_TABLE TableBF16

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/norm/cpu/table_bf16.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/norm/cpu/table-inl.h"
