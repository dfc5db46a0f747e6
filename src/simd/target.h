// Which SIMD target runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace normkit {

// Once per process: lets the environment variable NORMKIT_TARGET choose. A
// name that is unknown, or not to be had on this processor, is told on stderr and ignored.
void ChooseTarget();

// Names of the targets that this build has and this processor can run, best first.
std::vector<std::string> AvailableTargets();

// The target that runs.
const char* TargetName();

// For tests: every later call runs on the target of this name. False where it is not available.
bool ForceTarget(const std::string& name);

}  // namespace normkit
