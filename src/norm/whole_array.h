// How large the array is that a call works on a leaf of: what decides whether it comes from memory.
#pragma once

#include <cstdint>

namespace normkit {

// The bytes of an array of which this thread's calls work on leaves, until the end of a scope.
class WholeArray {
 public:
  explicit WholeArray(int64_t bytes);
  ~WholeArray();
  WholeArray(const WholeArray&) = delete;
  WholeArray& operator=(const WholeArray&) = delete;

  static int64_t bytes();  // 0: calls work on arrays of their own

 private:
  int64_t before_;
};

}  // namespace normkit
