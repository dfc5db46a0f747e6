#include "src/core/cpu_quota.h"

#include <gtest/gtest.h>

#include <fstream>

#include "src/core/testing.h"

namespace normkit {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

TEST(CpuQuota, IsTheLeastOfTheGroupsAbove) {
  struct Row {
    const char* what;
    Files files;
    std::optional<int> expected;
  };
  const std::string v2 = "proc/self/cgroup", top = "sys/fs/cgroup/";
  const Row rows[] = {
      {"no control groups", {}, std::nullopt},
      {"v2 without a limit", {{v2, "0::/a\n"}, {top + "a/cpu.max", "max 100000\n"}}, std::nullopt},
      {"v2, one and a half", {{v2, "0::/a\n"}, {top + "a/cpu.max", "150000 100000\n"}}, 2},
      {"v2, a tenth", {{v2, "0::/a/b\n"}, {top + "a/b/cpu.max", "10000 100000\n"}}, 1},
      {"v2, a parent's",
       {{v2, "0::/a/b\n"}, {top + "a/cpu.max", "300000 100000"}, {top + "a/b/cpu.max", "max 1"}},
       3},
      {"v2, seen from inside", {{v2, "0::/\n"}, {top + "cpu.max", "400000 100000\n"}}, 4},
      {"v1",
       {{v2, "5:memory:/m\n4:cpu,cpuacct:/a\n"},
        {top + "cpu/a/cpu.cfs_quota_us", "250000\n"},
        {top + "cpu/a/cpu.cfs_period_us", "100000\n"}},
       3},
      {"v1 without a limit",
       {{v2, "4:cpu:/\n"},
        {top + "cpu/cpu.cfs_quota_us", "-1\n"},
        {top + "cpu/cpu.cfs_period_us", "100000\n"}},
       std::nullopt},
      {"nonsense", {{v2, "x\n0::/a\n"}, {top + "a/cpu.max", "many few\n"}}, std::nullopt},
  };
  for (const Row& row : rows) {
    const TestFolder folder;
    for (const auto& [name, text] : row.files) {
      const std::filesystem::path file = std::filesystem::path(folder.path()) / name;
      std::filesystem::create_directories(file.parent_path());
      std::ofstream(file) << text;
    }
    EXPECT_EQ(CpuQuota(folder.path()), row.expected) << row.what;
  }
}

}  // namespace
}  // namespace normkit
