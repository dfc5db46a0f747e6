// The folder that a run writes its files to, one run at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "src/core/descriptor.h"

namespace normkit {

// Locks the folder, which is made where it is missing, until the object or its process goes: the
// lock is the system's (flock on ".normkit.lock"), so that a run that was killed leaves none.
// Whatever stands in the folder stays: a run takes names that are free, or says which of its files
// it is allowed to replace. A folder that was made here goes again where nothing came into it.
class OutputFolder {
 public:
  // Throws Error where another run has the folder, or it cannot be made or written to; where the
  // process is one of several that MPI started, which would all write the same files.
  explicit OutputFolder(const std::string& path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const;  // "PATH/NAME"

  // Those of `names` that are there.
  std::vector<std::string> Present(const std::vector<std::string>& names) const;
  // The first of "STEM.ENDING", "STEM-2.ENDING", ... that is not there.
  std::string FreeName(const std::string& stem, const std::string& ending) const;

  // Throws Error where files of these names and sizes could not be written now.
  struct Planned {
    std::string name;
    uint64_t bytes;
  };
  void CheckCanTake(const std::vector<Planned>& files) const;

 private:
  void Lock();
  void RemoveEmpty();

  std::string path_;
  std::vector<std::filesystem::path> made_;  // the innermost first
  Descriptor lock_;
};

}  // namespace normkit
