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
  // `part`: train, val or test, of a file that has several; "": the first there is.
  explicit NpzFile(const std::string& from, const std::string& part = "");

  // The array of this name, in whatever folder of the archive; "" where there is none. x and y are
  // also those that others call x_train and y_train, or train_images and train_labels.
  std::string Find(const std::string& name) const;
  bool Has(const std::string& name) const { return !Find(name).empty(); }

  // "x_train and y_train of the file; others: FILE:test"; "" where they are called x and y.
  std::string NamesNote() const;

  std::string path, bytes;
  NpzReader npz;

 private:
  std::string FindExactly(const std::string& name) const;

  std::string x_ = "x", y_ = "y";
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
  std::vector<std::string> position_classes = {};
};

// Class numbers in another form: one-hot rows [N,K], of which those that occur are the classes
// (all, with `classes`), and whole floating-point numbers [N] from 0 or 1 on without a gap, of each
// of which there are two on average. `note` says that they were taken for such. Else `y` as it is.
NpyArray AsClassNumbers(NpyArray y, std::string& note);

// Of `y`, class numbers of the positions of `count` observations, as targets.
NpzAnswers PositionAnswers(const NpzFile& file, const NpyArray& y, int64_t count);

// `y` as `count` answers: class numbers or names, one each, or floating-point numbers.
NpzAnswers AnswersOf(const NpzFile& file, const NpyArray& y, int64_t count);
bool IsTextArray(const NpyArray& array, const std::string& where);

}  // namespace normkit
