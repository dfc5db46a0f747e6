// An .npz of observations: its arrays by name, and what y tells of them.
#pragma once

#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "src/core/fail.h"
#include "src/data/labels.h"
#include "src/data/npy_format.h"

namespace normkit {

// The bytes of a file and what is in them.
struct NpzFile {
  explicit NpzFile(const std::string& from);

  // The array of this name, in whatever folder of the archive; "" where there is none.
  std::string Find(const std::string& name) const;
  bool Has(const std::string& name) const { return !Find(name).empty(); }

  std::string path, bytes;
  NpzReader npz;
};

// Calls read() so that what is wrong with an array names the file and the array.
template <class Read>
auto NamingArray(const std::string& where, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.starts_with(where.substr(0, where.find(": ")))) throw;
    Fail("{}: {}", where, what);
  }
}

// "<f4 [3,4]".
std::string TypeAndShape(const NpyInfo& array);

// What answers are, or the values that belong to them.
struct NpzAnswers {
  Labels labels;
  std::vector<float> targets;
  int64_t target_size = 0;  // of one answer
};

// `y` as `count` answers: class numbers or names, one each, or floating-point numbers.
NpzAnswers AnswersOf(const NpzFile& file, const NpyArray& y, int64_t count);
bool IsTextArray(const NpyArray& array, const std::string& where);

}  // namespace normkit
