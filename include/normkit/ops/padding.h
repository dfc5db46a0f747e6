// Zeros around what a window slides over.
#pragma once

#include <cstdint>

namespace normkit {

// On each side, or as many as keep size / stride ("same"), or all of these in front ("causal": of
// time, so that nothing is read that comes later). Of lines and time left and right, of volumes
// front and back as well, which come first.
struct Padding {
  bool same = false;
  int64_t top = 0, bottom = 0, left = 0, right = 0, front = 0, back = 0;
  bool causal = false;
  static Padding Same() { return {.same = true}; }
  static Padding Causal() { return {.causal = true}; }
  static Padding All(int64_t n) { return {false, n, n, n, n, n, n}; }
};

}  // namespace normkit
