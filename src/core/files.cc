#include "src/core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "src/core/descriptor.h"
#include "src/core/fail.h"
#include "src/core/file_words.h"

namespace normkit {
namespace {

struct Opened {
  Descriptor descriptor;
  uint64_t size;
};

// Without waiting: opening a named pipe would last until somebody writes to it.
Opened OpenRegular(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) Fail("{}: cannot be read: {}", path, Reason());
  if (!S_ISREG(status.st_mode))
    Fail("{}: is {}, expected a file", path, KindOfFile(status.st_mode));
  Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0 || fstat(fd.get(), &status) != 0) Fail("{}: cannot be read: {}", path, Reason());
  if (!S_ISREG(status.st_mode))
    Fail("{}: is {}, expected a file", path, KindOfFile(status.st_mode));
  return {std::move(fd), static_cast<uint64_t>(status.st_size)};
}

// Up to max_bytes bytes; `expected` of them are likely.
std::string ReadUpTo(int fd, uint64_t expected, uint64_t max_bytes, const std::string& path) {
  std::string bytes;
  bytes.reserve(expected);
  char buffer[1 << 16];
  while (bytes.size() < max_bytes) {
    const auto wanted = std::min<uint64_t>(sizeof buffer, max_bytes - bytes.size());
    const ssize_t n = read(fd, buffer, wanted);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail("{}: cannot be read: {}", path, Reason());
    if (n == 0) break;
    bytes.append(buffer, static_cast<size_t>(n));
  }
  return bytes;
}

}  // namespace

std::string ReadFile(const std::string& path, uint64_t max_bytes) {
  const Opened file = OpenRegular(path);
  const auto too_large = [&] {
    Fail("{}: has more than {} bytes, the most that is read here", path, max_bytes);
  };
  if (file.size > max_bytes) too_large();
  // One more than the size, as files of the system have none and others may grow.
  std::string bytes = ReadUpTo(file.descriptor.get(), file.size, max_bytes + 1, path);
  if (bytes.size() > max_bytes) too_large();
  return bytes;
}

std::string ReadFileStart(const std::string& path, uint64_t bytes) {
  const Opened file = OpenRegular(path);
  return ReadUpTo(file.descriptor.get(), std::min(file.size, bytes), bytes, path);
}

std::string IrregularKind(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) return std::string(KindOfFile(status.st_mode));
  if (errno == ELOOP) return "a link in a circle";
  return lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode) ? "a link to nothing" : "";
}

void MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) Fail("{}: the folder cannot be made: {}", path, error.message());
}

bool SameFile(const std::string& a, const std::string& b) {
  std::error_code error;
  if (std::filesystem::equivalent(a, b, error)) return true;
  const auto whole = [&](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  };
  return whole(a) == whole(b);
}

}  // namespace normkit
