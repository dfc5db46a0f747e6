#include "src/core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "src/core/fail.h"

namespace normkit {
namespace {

// Closes a file descriptor however the scope is left.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string Reason() { return std::strerror(errno); }

void WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail("{}: cannot be written: {}", path, Reason());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

std::string ReadFile(const std::string& path, uint64_t max_bytes) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (fd.get() < 0 || fstat(fd.get(), &status) != 0) Fail("{}: cannot be read: {}", path, Reason());
  if (S_ISDIR(status.st_mode)) Fail("{}: is a folder, expected a file", path);
  std::string bytes;
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail("{}: cannot be read: {}", path, Reason());
    if (n == 0) return bytes;
    if (bytes.size() + static_cast<size_t>(n) > max_bytes)
      Fail("{}: has more than {} bytes, the most that is read here", path, max_bytes);
    bytes.append(buffer, static_cast<size_t>(n));
  }
}

void WriteFile(const std::string& path, std::string_view bytes) {
  std::string temporary = path + ".XXXXXX";
  const Descriptor fd(mkstemp(temporary.data()));
  if (fd.get() < 0) Fail("{}: cannot be written: {}", path, Reason());
  try {
    WriteAll(fd.get(), bytes, path);
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd.get(), 0666 & ~mask) != 0 || fsync(fd.get()) != 0 ||
        rename(temporary.c_str(), path.c_str()) != 0)
      Fail("{}: cannot be written: {}", path, Reason());
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
}

void MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) Fail("{}: the folder cannot be made: {}", path, error.message());
}

}  // namespace normkit
