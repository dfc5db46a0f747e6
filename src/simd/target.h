// Which SIMD target runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace normkit::simd {

// Once per process: lets the environment variable NORMKIT_TARGET choose. A
// name that is unknown, or not to be had on this processor, is told on stderr and ignored.
void ChooseTarget();

// Names of the targets that this build has (NORMKIT_TARGETS of CMake), best first.
std::vector<std::string> CompiledTargets();

// Names of those that this processor can run, best first.
std::vector<std::string> AvailableTargets();

// A build for one machine (NORMKIT_TARGETS=native) was installed on another: what to say where its
// kernels are of no use and others would be, else "". Targets as their names, best first.
std::string MissingKernels(const std::vector<std::string>& compiled,
                           const std::vector<std::string>& supported);

// The target that runs.
const char* TargetName();

// For tests: every later call runs on the target of this name. False where it is not available.
bool ForceTarget(const std::string& name);

}  // namespace normkit::simd
