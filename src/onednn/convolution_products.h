// Every product of a convolution, by nested loops.
#pragma once

#include <cstddef>

#include "src/onednn/convolution_shape.h"

namespace normkit {

// Counts through all places of a grid, the last dimension fastest; false at the end.
inline bool NextPlace(const Space& sizes, Space& place) {
  for (size_t i = sizes.size(); i-- > 0;) {
    if (++place[i] < sizes[i]) return true;
    place[i] = 0;
  }
  return false;
}

// Which element of the grid the window at `out` has at its place `tap`; -1: none, it is padding.
inline int64_t ElementUnder(const Space& size, const Space& before, const Space& stride,
                            const Space& dilation, const Space& out, const Space& tap) {
  int64_t element = 0;
  for (size_t i = 0; i < size.size(); ++i) {
    const int64_t at = out[i] * stride[i] + tap[i] * dilation[i] - before[i];
    if (at < 0 || at >= size[i]) return -1;
    element = element * size[i] + at;
  }
  return element;
}

// Calls visit(x index, weights index, y index) for every product of the sum.
template <class Visit>
void ForProducts(const ConvolutionShape& s, const Visit& visit) {
  const int64_t in = s.channels / s.groups, out = s.filters / s.groups;
  const int64_t taps = Product(s.filter_size), pixels = Product(s.size);
  const Space counts = s.output_size();
  const int64_t windows = Product(counts);
  for (int64_t b = 0; b < s.batch; ++b) {
    Space place(s.dims(), 0);
    int64_t window = 0;
    do {
      Space tap(s.dims(), 0);
      int64_t k = 0;
      do {
        const int64_t pixel = ElementUnder(s.size, s.before, s.stride, s.dilation, place, tap);
        for (int64_t o = 0; pixel >= 0 && o < s.filters; ++o)
          for (int64_t i = 0; i < in; ++i)
            visit(static_cast<size_t>((b * pixels + pixel) * s.channels + o / out * in + i),
                  static_cast<size_t>((o * in + i) * taps + k),
                  static_cast<size_t>((b * windows + window) * s.filters + o));
        ++k;
      } while (NextPlace(s.filter_size, tap));
      ++window;
    } while (NextPlace(counts, place));
  }
}

}  // namespace normkit
