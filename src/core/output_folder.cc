#include "src/core/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/core/numbers.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = ".normkit.lock";
constexpr int kTries = 1000;

std::vector<fs::path> MissingFolders(fs::path path) {
  std::vector<fs::path> missing;
  std::error_code error;
  if (!path.has_filename()) path = path.parent_path();  // "a/" is "a"
  for (; !path.empty() && !fs::exists(path, error); path = path.parent_path())
    missing.push_back(path);
  return missing;
}

// Another user's lock, left by a run that was killed, may be locked though not written.
Descriptor OpenLock(const std::string& path) {
  constexpr int kFlags = O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  Descriptor lock(open(path.c_str(), kFlags | O_RDWR, 0666));
  if (!lock.is_open() && errno == EACCES)
    lock = Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return lock;
}

// "" where it is not known.
std::string Holder(int lock) {
  char text[16] = {};
  const ssize_t n = pread(lock, text, sizeof text, 0);
  std::string_view number(text, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  number = number.substr(0, number.find('\n'));
  return ParseNumber<int64_t>(number) ? fmt::format(" (process {})", number) : "";
}

bool IsOfThatName(int lock, const std::string& path) {
  struct stat ours, named;
  return fstat(lock, &ours) == 0 && stat(path.c_str(), &named) == 0 &&
         ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

}  // namespace

OutputFolder::OutputFolder(const std::string& path) : path_(path) {
  try {
    Lock();
  } catch (...) {
    RemoveEmpty();
    throw;
  }
}

// The name goes before the lock: who opened the file before that finds that it has none.
OutputFolder::~OutputFolder() {
  const std::string name = *this / kLock;
  if (IsOfThatName(lock_.get(), name)) unlink(name.c_str());
  RemoveEmpty();
}

void OutputFolder::Lock() {
  const std::string name = *this / kLock;
  for (int tries = 0;; ++tries) {
    if (std::vector<fs::path> missing = MissingFolders(path_); !missing.empty()) made_ = missing;
    MakeFolder(path_);
    lock_ = OpenLock(name);
    if (!lock_.is_open() && errno == ENOENT && tries < kTries) continue;  // just removed
    if (!lock_.is_open()) Fail("{}: cannot be written: {}", path_, std::strerror(errno));
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK)
        Fail("{}: another run{} writes here, expected a folder that is not in use", path_,
             Holder(lock_.get()));
      Warn("{}: cannot be locked ({}): take care that no other run writes here", path_,
           std::strerror(errno));
    }
    if (IsOfThatName(lock_.get(), name)) break;
  }
  const std::string process = fmt::format("{}\n", getpid());
  if (ftruncate(lock_.get(), 0) != 0 || pwrite(lock_.get(), process.data(), process.size(), 0) < 0)
    LogDetail(path_ + ": the lock does not say whose it is");  // locked all the same
}

void OutputFolder::RemoveEmpty() {
  std::error_code error;
  for (const fs::path& folder : made_)
    if (!fs::is_empty(folder, error) || error || !fs::remove(folder, error)) return;
}

std::string OutputFolder::operator/(const std::string& name) const { return path_ + "/" + name; }

std::vector<std::string> OutputFolder::Present(const std::vector<std::string>& names) const {
  std::vector<std::string> present;
  std::error_code error;
  for (const std::string& name : names)
    if (fs::exists(fs::symlink_status(*this / name, error))) present.push_back(name);
  return present;
}

std::string OutputFolder::FreeName(const std::string& stem, const std::string& ending) const {
  std::string name = stem + ending;
  for (int i = 2; !Present({name}).empty(); ++i) name = fmt::format("{}-{}{}", stem, i, ending);
  return name;
}

void OutputFolder::CheckCanTake(const std::vector<Planned>& files) const {
  std::vector<uint64_t> sizes;
  for (const Planned& file : files) {
    CheckWritable(*this / file.name, 0);
    sizes.push_back(file.bytes);
  }
  CheckRoom(path_, sizes);
}

}  // namespace normkit
