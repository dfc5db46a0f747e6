#include "src/core/files.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
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
  EXPECT_ERROR_LIKE(WriteFile(folder / "taken", "new"), "/taken: is a folder, expected a file");
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
               "no/such/file: cannot be written: there is no folder 'no/such'");
  EXPECT_ERROR(CheckWritable("no/such/file", 5),
               "no/such/file: cannot be written (5 bytes): there is no folder 'no/such'");
  WriteFile(folder / "file", "12345");
  EXPECT_ERROR(ReadFile(folder / "file", 4),
               folder / "file" + ": has more than 4 bytes, the most that is read here");
  EXPECT_ERROR_LIKE(MakeFolder(folder / "file" + "/below"), "the folder cannot be made: ");
}

// Reading what has no end must not wait for one.
TEST(FilesTest, OnlyRegularFilesAreRead) {
  const TestFolder folder;
  MakeFolder(folder / "sub");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT((folder / "s").size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, (folder / "s").c_str());
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  std::filesystem::create_symlink(folder / "none", folder / "dangling");
  std::filesystem::create_symlink(folder / "circle", folder / "circle");
  std::filesystem::create_symlink(folder / "pipe", folder / "to-pipe");
  std::filesystem::create_symlink("/dev/zero", folder / "to-zero");
  WriteFile(folder / "file", "12345");
  std::filesystem::create_symlink(folder / "file", folder / "to-file");
  const struct {
    std::string path, error, kind;
  } kCases[] = {
      {folder / "sub", ": is a folder, expected a file", "a folder"},
      {folder / "pipe", ": is a named pipe, expected a file", "a named pipe"},
      {folder / "to-pipe", ": is a named pipe, expected a file", "a named pipe"},
      {folder / "s", ": is a socket, expected a file", "a socket"},
      {"/dev/zero", ": is a device, expected a file", "a device"},
      {folder / "to-zero", ": is a device, expected a file", "a device"},
      {folder / "dangling", ": cannot be read: No such file or directory", "a link to nothing"},
      {folder / "circle", ": cannot be read: Too many levels of symbolic links",
       "a link in a circle"},
      {folder / "absent", ": cannot be read: No such file or directory", ""},
  };
  for (const auto& [path, error, kind] : kCases) {
    EXPECT_ERROR(ReadFile(path), path + error);
    EXPECT_ERROR(ReadFileStart(path, 3), path + error);
    EXPECT_EQ(IrregularKind(path), kind) << path;
  }
  EXPECT_EQ(ReadFile(folder / "to-file"), "12345");
  EXPECT_EQ(IrregularKind(folder / "to-file"), "");
  close(fd);
}

TEST(FilesTest, StartsAreRead) {
  const TestFolder folder;
  WriteFile(folder / "file", "12345");
  EXPECT_EQ(ReadFileStart(folder / "file", 3), "123");
  EXPECT_EQ(ReadFileStart(folder / "file", 5), "12345");
  EXPECT_EQ(ReadFileStart(folder / "file", 500), "12345");
  // Files of the system say that they have no bytes.
  EXPECT_EQ(ReadFileStart("/proc/self/status", 5), "Name:");
  EXPECT_GT(ReadFile("/proc/self/status").size(), 100u);
}

}  // namespace
}  // namespace normkit
