// What Highway's library is for, the processor's targets, for libnormkit_norm: its static library
// is not packaged. tests/install/run holds the target that is found against that of libnormkit.
#include <hwy/targets.h>
#if HWY_ARCH_X86
#include <cpuid.h>
#endif

#include <atomic>

namespace hwy {
namespace {

std::atomic<int64_t> forced{0};

#if HWY_ARCH_X86
// Not among what the compilers' test knows.
bool HasF16c() {
  unsigned a, b, c = 0, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

// The best last; each has what those before it have. The compiler's own test of the processor
// knows what the operating system saves, too.
int64_t Detect() {
  int64_t targets = HWY_SCALAR | HWY_EMU128;
#if HWY_ARCH_X86
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul") ||
      !__builtin_cpu_supports("aes"))
    return targets;
  targets |= HWY_SSE4 | HWY_SSSE3;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") || !HasF16c())
    return targets;
  targets |= HWY_AVX2;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512cd"))
    return targets;
  targets |= HWY_AVX3;
#else
  targets |= HWY_ENABLED_BASELINE;  // what every processor of this build has
#endif
  return targets;
}

}  // namespace

int64_t SupportedTargets() {
  static const int64_t detected = Detect() & HWY_TARGETS;
  const int64_t only = forced;
  return only ? only : detected;
}

void SetSupportedTargetsForTest(int64_t targets) { forced = targets; }

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy
