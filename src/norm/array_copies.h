// Dense copies of strided arrays, for back-ends that do not take them as they lie.
#pragma once

#include <array>
#include <string>

#include "src/core/scratch.h"
#include "src/norm/backend.h"

namespace normkit {

// What a call does of a pass. The first half does not write y or dx (where statistics join), so
// that no copy of them goes back, over x or dy where those are the same arrays; the second reads
// what the first wrote to sum, daddend and dgate, so that it goes back as it is.
enum class Half { kBoth, kFirst, kSecond };

// The copies of one call. What was written goes back to where it belongs by Finish.
class ArrayCopies {
 public:
  ArrayCopies(const Problem& problem, const NormImplementation& made)
      : problem_(problem), made_(made) {}

  static bool Needs(const Problem& problem, const NormImplementation& made, NormArray array) {
    return !problem.strides[array].dense() && !made.TakesStrided(array);
  }
  static std::string Names(const Problem& problem, const NormImplementation& made);  // "x, dy"

  // The arguments of a call with copies.
  NormForwardArgs In(const NormForwardArgs& args, Half half);
  NormBackwardArgs In(const NormBackwardArgs& args, Half half);
  // Past the caches, where what was written is not soon read.
  void Finish(bool past_caches = false) const;

 private:
  template <NormArray kArray>
  const void* Read(const void* given);
  template <NormArray kArray>
  void* Written(void* given, bool is_read = false);
  template <NormArray kArray>
  void* Room();

  const Problem& problem_;
  const NormImplementation& made_;
  struct Copy {
    Tensor large;  // what a thread does not keep
    const void* dense = nullptr;
    void* to = nullptr;
  };
  std::array<Copy, kNormArrays> copies_;
};

}  // namespace normkit
