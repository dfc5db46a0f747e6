// Writing files: pipes and devices as they are, all others to a temporary file that is renamed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <vector>

#include "src/core/descriptor.h"
#include "src/core/fail.h"
#include "src/core/file_words.h"
#include "src/core/files.h"

namespace normkit {
namespace {

void WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail("{}: cannot be written: {}", path, Reason());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// Where the bytes of a path go.
struct Target {
  std::string path;     // links followed
  bool stream = false;  // a pipe or device, which is no file to be replaced
};

// Also where what the last link points at is not there yet.
std::string FollowLinks(const std::string& path) {
  constexpr int kMost = 40;  // as the system's own
  std::filesystem::path at = path;
  std::error_code error;
  for (int i = 0; i < kMost && std::filesystem::is_symlink(at, error); ++i)
    at = at.parent_path() / std::filesystem::read_symlink(at, error);
  return at.string();
}

Target FindTarget(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) Fail("{}: cannot be written: {}", path, Reason());
    return {FollowLinks(path)};
  }
  const bool stream = S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
  if (!stream && !S_ISREG(status.st_mode))
    Fail("{}: is {}, expected a file", path, KindOfFile(status.st_mode));
  if (access(path.c_str(), W_OK) != 0) Fail("{}: cannot be written: {}", path, Reason());
  return {stream ? path : FollowLinks(path), stream};
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// Why no file could be made in `folder`.
std::string ReasonIn(const std::string& folder) {
  return errno == ENOENT ? fmt::format("there is no folder '{}'", folder) : Reason();
}

// A new file in `folder`, whose path is put into `path`. Its name says nothing of what it is for: a
// name of the greatest length has no room for more.
Descriptor MakeTemporary(const std::string& folder, std::string& path) {
  path = folder + "/.normkit.XXXXXX";
  return Descriptor(mkostemp(path.data(), O_CLOEXEC));
}

void Replace(const std::string& path, std::string_view bytes, const std::string& named) {
  std::string temporary;
  const Descriptor fd = MakeTemporary(FolderOf(path), temporary);
  if (!fd.is_open()) Fail("{}: cannot be written: {}", named, ReasonIn(FolderOf(path)));
  try {
    WriteAll(fd.get(), bytes, named);
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd.get(), 0666 & ~mask) != 0 || fsync(fd.get()) != 0 ||
        rename(temporary.c_str(), path.c_str()) != 0)
      Fail("{}: cannot be written: {}", named, Reason());
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
}

void WriteStream(const std::string& path, std::string_view bytes) {
  // Opened without waiting: a pipe that nobody reads would be waited for without end.
  const Descriptor fd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.is_open() && errno == ENXIO) Fail("{}: cannot be written: nobody reads the pipe", path);
  if (!fd.is_open() || fcntl(fd.get(), F_SETFL, O_WRONLY) != 0)
    Fail("{}: cannot be written: {}", path, Reason());
  WriteAll(fd.get(), bytes, path);
}

// A file of `bytes` that has no name, so that it goes with its descriptor.
Descriptor MakeNameless(const std::string& folder, uint64_t bytes) {
  std::string path;
  Descriptor fd = MakeTemporary(folder, path);
  if (!fd.is_open()) return fd;
  unlink(path.c_str());
  do {
    errno = bytes == 0 ? 0 : posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes));
  } while (errno == EINTR);
  return errno == 0 ? std::move(fd) : Descriptor();
}

}  // namespace

void WriteFile(const std::string& path, std::string_view bytes) {
  const Target target = FindTarget(path);
  target.stream ? WriteStream(path, bytes) : Replace(target.path, bytes, path);
}

void CheckWritable(const std::string& path, uint64_t bytes) {
  const Target target = FindTarget(path);
  const std::string folder = FolderOf(target.path);
  if (!target.stream && !MakeNameless(folder, bytes).is_open())
    Fail("{}: cannot be written ({} bytes): {}", path, bytes, ReasonIn(folder));
}

void CheckRoom(const std::string& folder, std::span<const uint64_t> bytes) {
  std::vector<Descriptor> files;
  for (const uint64_t size : bytes) {
    files.push_back(MakeNameless(folder, size));
    if (!files.back().is_open())
      Fail("{}: cannot take the files that will be written ({} bytes): {}", folder,
           std::accumulate(bytes.begin(), bytes.end(), uint64_t{0}), Reason());
  }
}

}  // namespace normkit
