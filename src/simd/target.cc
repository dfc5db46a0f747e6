#include "src/simd/target.h"

#include <fmt/ranges.h>
#include <hwy/highway.h>

#include <cstdlib>

#include "src/core/log.h"

namespace normkit {
namespace {

std::vector<int64_t> Available() {
  static const int64_t supported = hwy::SupportedTargets();
  std::vector<int64_t> result;
  for (int64_t rest = supported & HWY_TARGETS; rest != 0; rest &= rest - 1)
    result.push_back(rest & -rest);  // a lower bit is a better target
  return result;
}

}  // namespace

std::vector<std::string> AvailableTargets() {
  std::vector<std::string> names;
  for (int64_t target : Available()) names.emplace_back(hwy::TargetName(target));
  return names;
}

bool ForceTarget(const std::string& name) {
  for (int64_t target : Available()) {
    if (name != hwy::TargetName(target)) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    return true;
  }
  return false;
}

void ChooseTarget() {
  static const bool once = [] {
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    const char* wanted = std::getenv("NORMKIT_TARGET");
    if (wanted && *wanted && !ForceTarget(wanted))
      Warn(
          "NORMKIT_TARGET='{}' is unknown or not to be had on this processor, expected one of {}; "
          "ignored",
          wanted, fmt::join(AvailableTargets(), ", "));
    return true;
  }();
  (void)once;
}

const char* TargetName() {
  ChooseTarget();
  for (int64_t target : Available())
    if (hwy::SupportedTargets() & target) return hwy::TargetName(target);
  return "?";
}

}  // namespace normkit
