// A folder of sequences with a folder a class: .csv (a row a step) and .npy ([T,C], or as a
// format says).
#pragma once

#include <string>

#include "src/data/scan.h"
#include "src/data/sequence_data.h"

namespace normkit {

// One sequence of a file. `format` says what the axes of .npy are: TC, CT, T, of pictures over time
// TSSC and so on; "": TC or T. Throws Error that begins with the path.
struct SequenceFile {
  int64_t length = 0;
  Layout row;                      // T, S .., C
  std::vector<float> x;            // [length, ..]
  std::vector<std::string> names;  // of the channels, where the file has some
};
SequenceFile ReadSequenceFile(const std::string& path, const std::string& format);

// The endings under which they are expected: ".csv", ".tsv", ".npy".
bool IsSequenceEnding(std::string_view ending);

DataPtr OpenSequenceFolder(const std::string& path, const ClassFolders& found,
                           const OpenOptions& options);

}  // namespace normkit
