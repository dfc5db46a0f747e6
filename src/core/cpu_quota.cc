#include "src/core/cpu_quota.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "src/core/numbers.h"

namespace normkit {
namespace {

using Path = std::filesystem::path;

// The words of a file's first line; empty where there is none.
std::pair<std::string, std::string> FirstWords(const Path& file) {
  std::ifstream in(file);
  std::pair<std::string, std::string> words;
  in >> words.first >> words.second;
  return words;
}

void Lower(std::string_view quota, std::string_view period, std::optional<int>* least) {
  const auto time = ParseNumber<int64_t>(quota), each = ParseNumber<int64_t>(period);
  if (!time || !each || *time <= 0 || *each <= 0) return;  // "max", -1: no limit
  const auto processors =
      static_cast<int>(std::clamp<int64_t>((*time + *each - 1) / *each, 1, 1024));
  *least = std::min(least->value_or(processors), processors);
}

// The group's folder and those above it, up to `top`.
template <class Read>
void ForAncestors(const Path& top, const Path& group, const Read& read) {
  Path folder = top / group.relative_path();
  while (folder.native().size() > top.native().size() && folder.has_relative_path()) {
    read(folder);
    folder = folder.parent_path();
  }
  read(top);  // where containers see their own group
}

}  // namespace

std::optional<int> CpuQuota(const Path& root) {
  std::optional<int> least;
  std::ifstream groups(root / "proc/self/cgroup");
  // "0::/a/b" (v2) or "4:cpu,cpuacct:/a/b" (v1).
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const Path group = line.substr(second + 1);
    if (controllers == ",,") {
      ForAncestors(root / "sys/fs/cgroup", group, [&](const Path& folder) {
        const auto [quota, period] = FirstWords(folder / "cpu.max");
        Lower(quota, period, &least);
      });
    } else if (controllers.find(",cpu,") != std::string::npos) {
      ForAncestors(root / "sys/fs/cgroup/cpu", group, [&](const Path& folder) {
        Lower(FirstWords(folder / "cpu.cfs_quota_us").first,
              FirstWords(folder / "cpu.cfs_period_us").first, &least);
      });
    }
  }
  return least;
}

}  // namespace normkit
