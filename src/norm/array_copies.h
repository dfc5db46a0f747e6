// Dense copies of strided arrays, for back-ends that do not take them as they lie.
#pragma once

#include <array>
#include <string>

#include "src/core/scratch.h"
#include "src/norm/backend.h"

namespace normkit {

// The arguments of the first of two halves, which does not write y or dx: copies of them would go
// back as whatever they hold, over x and dy where those are the same arrays.
inline NormForwardArgs OfGather(NormForwardArgs args) {
  args.y = nullptr;
  return args;
}
inline NormBackwardArgs OfGather(NormBackwardArgs args) {
  args.dx = nullptr;
  return args;
}

// The copies of one call. What was written goes back to where it belongs by Finish.
class ArrayCopies {
 public:
  ArrayCopies(const Problem& problem, const NormImplementation& made)
      : problem_(problem), made_(made) {}

  static bool Needs(const Problem& problem, const NormImplementation& made, NormArray array) {
    return !problem.strides[array].dense() && !made.TakesStrided(array);
  }
  static std::string Names(const Problem& problem, const NormImplementation& made);  // "x, dy"

  // The arguments of a call with copies. `reads_last`: what an earlier half wrote is read, sum, or
  // daddend and dgate: it would go back as it is.
  NormForwardArgs In(const NormForwardArgs& args, bool reads_last);
  NormBackwardArgs In(const NormBackwardArgs& args, bool reads_last);
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
