#include "src/core/memory_needs.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <filesystem>

#include "src/core/files.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

// A machine as its files tell of it.
struct Machine {
  const char* meminfo;
  const char* cgroup;
  std::vector<std::pair<std::string, std::string>> files;  // below /sys/fs/cgroup
  double bytes;
  const char* whose;
};

TEST(FreeMemoryTest, TheLeastOfWhatThereIs) {
  constexpr const char* kInfo = "MemTotal: 4000 kB\nMemAvailable:  2000 kB\nSwapFree: 500 kB\n";
  const Machine kMachines[] = {
      {kInfo, "", {}, 2500 * 1024, "this machine"},
      {"MemTotal: 4000 kB\n", "", {}, INFINITY, "this machine"},
      {"", "", {}, INFINITY, "this machine"},
      {kInfo, "0::/a/b\n", {{"a/b/memory.max", "max\n"}}, 2500 * 1024, "this machine"},
      {kInfo,
       "0::/a/b\n",
       {{"a/b/memory.max", "900000\n"}, {"a/b/memory.current", "400000\n"}},
       500000,
       "the control group '/a/b'"},
      // What is only a copy of files goes where memory is short.
      {kInfo,
       "0::/a\n",
       {{"a/memory.max", "900000\n"},
        {"a/memory.current", "400000\n"},
        {"a/memory.stat", "anon 1\ninactive_file 100000\nactive_file 7\n"}},
       600000,
       "the control group '/a'"},
      // The one outside leaves less; so does the root of a container.
      {kInfo,
       "0::/a/b\n",
       {{"a/b/memory.max", "900000\n"},
        {"a/b/memory.current", "400000\n"},
        {"a/memory.max", "800000"},
        {"a/memory.current", "790000"}},
       10000,
       "the control group '/a'"},
      {kInfo,
       "0::/\n",
       {{"memory.max", "800000"}, {"memory.current", "790000"}},
       10000,
       "the control group '/'"},
      {kInfo,
       "5:devices:/x\n4:memory:/a\n0::/\n",
       {{"memory/a/memory.limit_in_bytes", "900000\n"},
        {"memory/a/memory.usage_in_bytes", "400000\n"},
        {"memory/a/memory.stat", "total_inactive_file 1000\n"},
        {"memory/memory.limit_in_bytes", "9223372036854771712\n"},
        {"memory/memory.usage_in_bytes", "400000\n"}},
       501000,
       "the control group '/a'"},
      {kInfo,
       "4:cpu,memory:/a\n",
       {{"memory/a/memory.limit_in_bytes", "900000\n"},
        {"memory/a/memory.usage_in_bytes", "900001\n"}},
       0,
       "the control group '/a'"},
      {kInfo, "nonsense\n:::\n1:memory\n0::a\n", {}, 2500 * 1024, "this machine"},
  };
  for (const Machine& machine : kMachines) {
    const TestFolder root;
    MakeFolder(root / "proc/self");
    WriteFile(root / "proc/meminfo", machine.meminfo);
    WriteFile(root / "proc/self/cgroup", machine.cgroup);
    for (const auto& [name, text] : machine.files) {
      const std::filesystem::path path = root / ("sys/fs/cgroup/" + name);
      MakeFolder(path.parent_path().string());
      WriteFile(path.string(), text);
    }
    const FreeMemory free = FindFreeMemory(root.path());
    EXPECT_EQ(free.bytes, machine.bytes) << machine.cgroup;
    EXPECT_EQ(free.whose, machine.whose) << machine.cgroup;
  }
}

TEST(FreeMemoryTest, LimitsOfTheProcess) {
  const TestFolder root;
  MakeFolder(root / "proc/self");
  WriteFile(root / "proc/self/status", "Name: x\nVmSize:  1000 kB\nVmData: 200 kB\n");
  rlimit old{};
  getrlimit(RLIMIT_DATA, &old);
  const rlim_t bytes = rlim_t{1} << 40;
  const rlimit limit{bytes, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
  const FreeMemory free = FindFreeMemory(root.path());
  setrlimit(RLIMIT_DATA, &old);
  EXPECT_EQ(free.bytes, static_cast<double>(bytes) - 200 * 1024);
  EXPECT_EQ(free.whose, "ulimit -d");
}

TEST(FreeMemoryTest, ThisMachineHasSome) { EXPECT_GT(FindFreeMemory().bytes, 0); }

TEST(MemoryNeedsTest, TheErrorNamesTheLargestParts) {
  MemoryNeeds needs;
  needs.Add("parameters", 3e6);
  needs.Add("nothing", 0);
  needs.Add("activations", 2.5e9);
  EXPECT_EQ(needs.total(), 2.503e9);
  needs.Check("this", "less of it", {2.503e9, "this machine"});
  EXPECT_ERROR(needs.Check("training", "try less", {2e9, "this machine"}),
               "training needs 2.5 GB of memory, this machine has 2.0 GB left: 2.5 GB activations, "
               "3.0 MB parameters; try less");
  needs.Add("gradients", 4e6);
  needs.Add("pictures", 5e6);
  needs.Add("more", 6e6);
  EXPECT_ERROR(needs.Check("training", "try less", {1e6, "ulimit -v"}),
               "training needs 2.5 GB of memory, ulimit -v has 1.0 MB left: 2.5 GB activations, "
               "6.0 MB more, 5.0 MB pictures, 7.0 MB of others; try less");
}

}  // namespace
}  // namespace normkit
