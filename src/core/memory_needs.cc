#include "src/core/memory_needs.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>

#include "src/core/fail.h"
#include "src/core/numbers.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The word that `text` begins with, behind blanks, as a number: "  123 kB".
std::optional<double> FirstNumber(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return ParseNumber<double>(text.substr(0, text.find_first_of(" \t\n")));
}

// The number behind `name` at the start of a line of `text`, "MemAvailable:  123 kB".
double NumberOf(const std::string& text, const std::string& name, double otherwise) {
  const std::string line = fmt::format("\n{}", name);
  const size_t at = fmt::format("\n{}", text).find(line);
  if (at == std::string::npos) return otherwise;
  return FirstNumber(std::string_view(text).substr(at + name.size())).value_or(otherwise);
}

// The number a file holds; infinity for "max" and where there is none.
double NumberIn(const std::string& path) {
  const std::string text = TextOf(path);
  return FirstNumber(text).value_or(kInfinity);
}

struct GroupFiles {
  const char *limit, *usage, *reclaimable;
};
constexpr GroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_inactive_file"};
constexpr GroupFiles kVersion2{"memory.max", "memory.current", "inactive_file"};

void Lower(double bytes, const std::string& whose, FreeMemory& free) {
  if (bytes < free.bytes) free = {std::max(0.0, bytes), whose};
}

// The group and those that it is in.
void AskGroups(const std::string& mount, const std::string& group, const GroupFiles& files,
               FreeMemory& free) {
  for (fs::path at = group;; at = at.parent_path()) {
    const std::string folder = mount + at.string() + "/";
    const double limit = NumberIn(folder + files.limit);
    if (limit < kInfinity) {
      const double cached = NumberOf(TextOf(folder + "memory.stat"), files.reclaimable, 0);
      const double usage = NumberIn(folder + files.usage);
      if (usage < kInfinity)
        Lower(limit - usage + cached, fmt::format("the control group '{}'", at.string()), free);
    }
    if (!at.has_relative_path()) return;
  }
}

// Lines "4:memory:/a/b" (version 1) and "0::/a/b" (version 2).
void AskAllGroups(const std::string& root, FreeMemory& free) {
  std::istringstream lines(TextOf(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || second + 1 >= line.size() || line[second + 1] != '/')
      continue;
    const std::string controllers =
        fmt::format(",{},", std::string_view(line).substr(first + 1, second - first - 1));
    const std::string group = line.substr(second + 1);
    if (controllers == ",,")
      AskGroups(root + "/sys/fs/cgroup", group, kVersion2, free);
    else if (controllers.find(",memory,") != std::string::npos)
      AskGroups(root + "/sys/fs/cgroup/memory", group, kVersion1, free);
  }
}

void AskLimits(const std::string& root, FreeMemory& free) {
  const std::string status = TextOf(root + "/proc/self/status");
  const auto ask = [&](auto resource, const char* used, const char* name) {
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    Lower(static_cast<double>(limit.rlim_cur) - 1024 * NumberOf(status, used, 0), name, free);
  };
  ask(RLIMIT_AS, "VmSize:", "ulimit -v");
  ask(RLIMIT_DATA, "VmData:", "ulimit -d");
}

std::string Gigabytes(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.1f} GB", bytes / 1e9);
  return fmt::format("{:.1f} MB", bytes / 1e6);
}

}  // namespace

FreeMemory FindFreeMemory(const std::string& root) {
  FreeMemory free{kInfinity, "this machine"};
  const std::string machine = TextOf(root + "/proc/meminfo");
  const double available = NumberOf(machine, "MemAvailable:", kInfinity);
  Lower(1024 * (available + NumberOf(machine, "SwapFree:", 0)), free.whose, free);
  AskAllGroups(root, free);
  AskLimits(root, free);
  return free;
}

void MemoryNeeds::Add(std::string what, double bytes) {
  if (bytes > 0) parts_.push_back({std::move(what), bytes});
}

double MemoryNeeds::total() const {
  double total = 0;
  for (const Part& part : parts_) total += part.bytes;
  return total;
}

void MemoryNeeds::Check(std::string_view work, std::string_view ways_out) const {
  Check(work, ways_out, FindFreeMemory());
}

void MemoryNeeds::Check(std::string_view work, std::string_view ways_out,
                        const FreeMemory& free) const {
  if (total() <= free.bytes) return;
  constexpr size_t kNamed = 3;
  std::vector<Part> parts = parts_;
  std::ranges::stable_sort(parts, std::ranges::greater(), &Part::bytes);
  std::vector<std::string> texts;
  double others = total();
  for (size_t i = 0; i < std::min(kNamed, parts.size()); ++i) {
    texts.push_back(fmt::format("{} {}", Gigabytes(parts[i].bytes), parts[i].what));
    others -= parts[i].bytes;
  }
  if (parts.size() > kNamed) texts.push_back(Gigabytes(others) + " of others");
  Fail("{} needs {} of memory, {} has {} left: {}; {}", work, Gigabytes(total()), free.whose,
       Gigabytes(free.bytes), fmt::join(texts, ", "), ways_out);
}

}  // namespace normkit
