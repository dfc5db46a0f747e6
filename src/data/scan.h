// The files of a folder of pictures or sequences, by their names; none of them is opened for what
// it shows.
#pragma once

#include <string>
#include <vector>

#include "src/data/summary.h"

namespace normkit {

// Pictures in this folder and those below it, sorted. Taken are names with an ending of pictures,
// and names without ending whose first bytes are those of a picture; all else is counted in
// `left_out`. Links are followed, each folder is read once.
std::vector<std::string> FindPictures(const std::string& folder, LeftOut& left_out);

// A folder with a folder a class, all of them read as FindPictures does. Where there are no
// pictures at all, but files with endings of sequences, it is a folder of sequences.
struct ClassFolders {
  bool sequences = false;
  std::vector<std::string> files;
  std::vector<int64_t> labels;       // one a file
  std::vector<std::string> classes;  // the folders' names, printable
  LeftOut left_out;
};
// Throws Error where a class has no files, where there is no class, and where the folders are
// parts of a data set (train, test) rather than classes.
ClassFolders FindClasses(const std::string& folder);

}  // namespace normkit
