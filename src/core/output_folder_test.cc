#include "src/core/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "src/core/files.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

TEST(OutputFolderTest, OneRunAtATime) {
  const TestFolder folder;
  const std::string path = folder / "out";
  fs::create_directory_symlink("out", folder / "link");
  {
    const OutputFolder ours(path);
    const std::string error = fmt::format(
        ": another run (process {}) writes here, expected a folder that is not in use", getpid());
    for (const std::string& name : {path, path + "/", folder / "./out", folder / "link"})
      EXPECT_ERROR(OutputFolder{name}, name + error);
    const OutputFolder below(path + "/below");
    WriteFile(ours / "file", "x");
  }
  const OutputFolder again(path);
  EXPECT_EQ(ReadFile(again / "file"), "x");
}

TEST(OutputFolderTest, ALockThatNobodyHoldsIsNoLock) {
  const TestFolder folder;
  WriteFile(folder / ".normkit.lock", "12345\n");  // as a run that was killed leaves it
  {
    const OutputFolder taken(folder.path());
    EXPECT_EQ(ReadFile(folder / ".normkit.lock"), fmt::format("{}\n", getpid()));
  }
  EXPECT_FALSE(fs::exists(folder / ".normkit.lock"));
}

TEST(OutputFolderTest, TheLockIsTheSystems) {
  const TestFolder folder;
  const Descriptor theirs(open((folder / ".normkit.lock").c_str(), O_RDWR | O_CREAT, 0600));
  ASSERT_EQ(flock(theirs.get(), LOCK_EX), 0);
  EXPECT_ERROR(OutputFolder{folder.path()},
               folder.path() + ": another run writes here, expected a folder that is not in use");
  EXPECT_TRUE(fs::exists(folder / ".normkit.lock"));  // theirs
}

TEST(OutputFolderTest, FoldersInWhichNothingCameGoAgain) {
  const TestFolder folder;
  { const OutputFolder made(folder / "a/b/c/"); }
  EXPECT_FALSE(fs::exists(folder / "a"));
  {
    const OutputFolder made(folder / "a/b/c");
    WriteFile(folder / "a/file", "x");
  }
  EXPECT_TRUE(fs::exists(folder / "a/file"));
  EXPECT_FALSE(fs::exists(folder / "a/b"));
  { const OutputFolder there(folder / "a"); }
  MakeFolder(folder / "empty");
  { const OutputFolder there(folder / "empty"); }
  EXPECT_TRUE(fs::exists(folder / "empty"));
}

TEST(OutputFolderTest, Names) {
  const TestFolder folder;
  const OutputFolder out(folder / "out");
  EXPECT_EQ(out / "a", folder / "out/a");
  EXPECT_EQ(out.FreeName("checkpoint", ".npz"), "checkpoint.npz");
  WriteFile(out / "checkpoint.npz", "");
  fs::create_symlink("nothing", out / "checkpoint-2.npz");
  EXPECT_EQ(out.FreeName("checkpoint", ".npz"), "checkpoint-3.npz");
  EXPECT_EQ(out.Present({"a", "checkpoint.npz", "checkpoint-2.npz"}),
            (std::vector<std::string>{"checkpoint.npz", "checkpoint-2.npz"}));
}

TEST(OutputFolderTest, WhatCannotBeWritten) {
  const TestFolder folder;
  const OutputFolder out(folder / "out");
  out.CheckCanTake({{"a", 1 << 20}, {"b", 0}});
  MakeFolder(out / "b");
  EXPECT_ERROR(out.CheckCanTake({{"a", 1}, {"b", 0}}),
               folder / "out/b" + ": is a folder, expected a file");
  EXPECT_ERROR_LIKE(out.CheckCanTake({{"a", uint64_t{1} << 62}}),
                    "/out: cannot take the files that will be written (4611686018427387904 bytes)");
  WriteFile(folder / "file", "");
  EXPECT_ERROR_LIKE(OutputFolder{folder / "file"}, "/file: the folder cannot be made: ");
  EXPECT_ERROR_LIKE(OutputFolder{folder / "file/below"}, "/file/below: the folder cannot be made");
  EXPECT_ERROR_LIKE(OutputFolder{"/proc/self"}, "/proc/self: cannot be written: ");
}

}  // namespace
}  // namespace normkit
