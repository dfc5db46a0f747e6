#include "src/simd/target.h"

#include <fmt/ranges.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdlib>

#include "src/core/log.h"

namespace normkit::simd {
namespace {

// Best first: a lower bit is a better target.
std::vector<int64_t> Bits(int64_t targets) {
  std::vector<int64_t> result;
  for (; targets != 0; targets &= targets - 1) result.push_back(targets & -targets);
  return result;
}

std::vector<int64_t> Available() {
  static const int64_t supported = hwy::SupportedTargets();
  return Bits(supported & HWY_TARGETS);
}

std::vector<std::string> Names(const std::vector<int64_t>& targets) {
  std::vector<std::string> names;
  for (int64_t target : targets) names.emplace_back(hwy::TargetName(target));
  return names;
}

bool Run(const std::string& name) {
  for (int64_t target : Available()) {
    if (name != hwy::TargetName(target)) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> CompiledTargets() { return Names(Bits(HWY_TARGETS)); }

std::vector<std::string> AvailableTargets() { return Names(Available()); }

std::string MissingKernels(const std::vector<std::string>& compiled,
                           const std::vector<std::string>& supported) {
  const bool one_runs = std::ranges::any_of(supported, [&](const std::string& target) {
    return target != "SCALAR" && std::ranges::find(compiled, target) != compiled.end();
  });
  if (one_runs || compiled.size() < 2 || supported.size() < 2) return "";
  return fmt::format(
      "this build has kernels for {}, of which this processor runs only SCALAR, many times slower "
      "than kernels for {} would be; build with NORMKIT_TARGETS=all",
      fmt::join(compiled, ", "), supported.front());
}

void ChooseTarget() {
  static const bool once = [] {
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    const char* wanted = std::getenv("NORMKIT_TARGET");
    if (wanted && *wanted && !Run(wanted))
      Warn(
          "NORMKIT_TARGET='{}' is unknown or not to be had on this processor, expected one of {}; "
          "ignored",
          wanted, fmt::join(AvailableTargets(), ", "));
    constexpr int64_t kOfAll = HWY_AVX3 | HWY_AVX2 | HWY_SSE4 | HWY_SCALAR;
    const std::string advice =
        MissingKernels(CompiledTargets(), Names(Bits(hwy::SupportedTargets() & kOfAll)));
    if (!advice.empty()) Warn("{}", advice);
    return true;
  }();
  (void)once;
}

bool ForceTarget(const std::string& name) {
  ChooseTarget();  // which would choose again at the first call
  return Run(name);
}

const char* TargetName() {
  ChooseTarget();
  for (int64_t target : Available())
    if (hwy::SupportedTargets() & target) return hwy::TargetName(target);
  return "?";
}

}  // namespace normkit::simd
