#include "src/core/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "src/core/testing.h"

namespace normkit {
namespace {

TEST(FilesTest, WhatIsWrittenIsReadBack) {
  const TestFolder folder;
  const std::string path = folder / "file";
  const std::string bytes("a\0b\n", 4);
  WriteFile(path, bytes);
  EXPECT_EQ(ReadFile(path), bytes);
  WriteFile(path, "");
  EXPECT_EQ(ReadFile(path), "");
}

TEST(FilesTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
  const TestFolder folder;
  MakeFolder(folder / "taken/inside");
  EXPECT_ERROR_LIKE(WriteFile(folder / "taken", "new"),
                    "/taken: cannot be written: Is a directory");
  const auto entries = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(FilesTest, PermissionsFollowTheUmask) {
  const TestFolder folder;
  const mode_t old = umask(027);
  WriteFile(folder / "file", "x");
  umask(old);
  struct stat status;
  ASSERT_EQ(stat((folder / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640);
}

TEST(FilesTest, Errors) {
  const TestFolder folder;
  EXPECT_ERROR(ReadFile("no/such/file"), "no/such/file: cannot be read: No such file or directory");
  EXPECT_ERROR(ReadFile(folder.path()), folder.path() + ": is a folder, expected a file");
  EXPECT_ERROR(WriteFile("no/such/file", "x"),
               "no/such/file: cannot be written: No such file or directory");
  WriteFile(folder / "file", "12345");
  EXPECT_ERROR(ReadFile(folder / "file", 4),
               folder / "file" + ": has more than 4 bytes, the most that is read here");
  EXPECT_ERROR_LIKE(MakeFolder(folder / "file" + "/below"), "the folder cannot be made: ");
}

}  // namespace
}  // namespace normkit
