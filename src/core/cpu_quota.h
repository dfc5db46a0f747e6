// What a container may use of the processors.
#pragma once

#include <filesystem>
#include <optional>

namespace normkit {

// How many processors' time the control groups of this process allow (cgroup v1 and v2, the least
// of all its ancestors), rounded up, at least 1; nothing where they set no limit. `root` is where
// /proc and /sys are looked for.
std::optional<int> CpuQuota(const std::filesystem::path& root = "/");

}  // namespace normkit
