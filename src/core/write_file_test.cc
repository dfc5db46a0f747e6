#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "src/core/descriptor.h"
#include "src/core/files.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

int EntriesIn(const std::string& folder) {
  const auto entries = fs::directory_iterator(folder);
  return static_cast<int>(std::distance(begin(entries), end(entries)));
}

void MakeSocket(const std::string& path) {
  const Descriptor fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.copy(address.sun_path, sizeof address.sun_path - 1), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

// While one exists no file grows beyond so many bytes.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_signal_);
  }

 private:
  void (*old_signal_)(int);
  rlimit old_;
};

TEST(WriteFileTest, WhatIsNoFileToBeReplaced) {
  const TestFolder folder;
  MakeFolder(folder / "taken/inside");
  MakeSocket(folder / "socket");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink("taken", folder / "link");
  fs::create_symlink("no/file", folder / "dangling");
  fs::create_symlink("circle", folder / "circle");
  const struct {
    std::string path, error;
    bool before_writing = true;  // CheckWritable knows as well
  } kCases[] = {
      {folder / "taken", ": is a folder, expected a file"},
      {folder / "link", ": is a folder, expected a file"},
      {folder / "socket", ": is a socket, expected a file"},
      {folder / "pipe", ": cannot be written: nobody reads the pipe", false},
      {folder / "circle", ": cannot be written: Too many levels of symbolic links"},
      {folder / "no/file", ": cannot be written"},
      {folder / "dangling", ": cannot be written"},
      {folder / std::string(256, 'n'), ": cannot be written: File name too long"},
      {"/dev/full", ": cannot be written: No space left on device", false},
  };
  for (const auto& c : kCases) {
    EXPECT_ERROR_LIKE(WriteFile(c.path, "new"), c.path + c.error);
    if (c.before_writing) {
      EXPECT_ERROR_LIKE(CheckWritable(c.path, 3), c.path + c.error);
    }
    EXPECT_EQ(EntriesIn(folder.path()), 6) << c.path;
  }
}

TEST(WriteFileTest, LinksStay) {
  const TestFolder folder;
  MakeFolder(folder / "there");
  fs::create_symlink("there/file", folder / "link");
  fs::create_symlink("link", folder / "second");
  for (const char* bytes : {"new", "newer"}) {  // where the file is not there yet, and where it is
    WriteFile(folder / "second", bytes);
    EXPECT_EQ(ReadFile(folder / "there/file"), bytes);
    EXPECT_TRUE(fs::is_symlink(folder / "link") && fs::is_symlink(folder / "second"));
  }
}

TEST(WriteFileTest, PipesAndDevicesAreWrittenTo) {
  const TestFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const Descriptor reader(open(pipe.c_str(), O_RDONLY | O_NONBLOCK));
  CheckWritable(pipe, 100);
  WriteFile(pipe, "bytes");
  char buffer[16];
  EXPECT_EQ(read(reader.get(), buffer, sizeof buffer), 5);
  EXPECT_TRUE(fs::is_fifo(pipe));
  WriteFile("/dev/null", "bytes");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(WriteFileTest, TheLongestNamesAreWritten) {
  const TestFolder folder;
  const std::string path = folder / std::string(255, 'n');
  WriteFile(path, "bytes");
  EXPECT_EQ(ReadFile(path), "bytes");
}

TEST(WriteFileTest, RoomIsKnownBefore) {
  const TestFolder folder;
  const FileSizeLimit limit(1 << 14);
  CheckWritable(folder / "file", 1 << 14);
  CheckRoom(folder.path(), std::vector<uint64_t>{1 << 14, 0, 1 << 14});
  EXPECT_ERROR(CheckWritable(folder / "file", (1 << 14) + 1),
               folder / "file" + ": cannot be written (16385 bytes): File too large");
  EXPECT_ERROR(CheckRoom(folder.path(), std::vector<uint64_t>{1, (1 << 14) + 1}),
               folder.path() +
                   ": cannot take the files that will be written (16386 bytes): File "
                   "too large");
  EXPECT_ERROR(WriteFile(folder / "file", std::string((1 << 14) + 1, 'x')),
               folder / "file" + ": cannot be written: File too large");
  EXPECT_EQ(EntriesIn(folder.path()), 0);
  EXPECT_ERROR_LIKE(CheckRoom(folder / "none", std::vector<uint64_t>{1}), "No such file");
}

TEST(WriteFileTest, WriteProtectedFilesStay) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write to every file";
  const TestFolder folder;
  WriteFile(folder / "file", "old");
  fs::permissions(folder / "file", fs::perms::owner_read);
  EXPECT_ERROR(WriteFile(folder / "file", "new"),
               folder / "file" + ": cannot be written: Permission denied");
}

TEST(SameFileTest, Names) {
  const TestFolder folder;
  WriteFile(folder / "a", "");
  fs::create_symlink("a", folder / "link");
  fs::create_hard_link(folder / "a", folder / "hard");
  EXPECT_TRUE(SameFile(folder / "a", folder / "./a"));
  EXPECT_TRUE(SameFile(folder / "a", folder / "link"));
  EXPECT_TRUE(SameFile(folder / "a", folder / "hard"));
  EXPECT_TRUE(SameFile(folder / "none", folder / "x/../none"));
  EXPECT_TRUE(SameFile("none", "./none"));
  EXPECT_FALSE(SameFile(folder / "none", folder / "a"));
  EXPECT_FALSE(SameFile(folder / "none", folder / "other"));
}

}  // namespace
}  // namespace normkit
