// Convolution forward of pieces of a picture, with the bits of the whole.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "src/onednn/convolution_shape.h"

namespace normkit {

// y[r, c] = bias + the sum over taps (i, j) of weights[i, j] x[r stride - before + i dilation, ..],
// x being 0 where it has no elements; x and y one picture, channels last. Of every pair of numbers
// the first is that of the rows.
struct BlockShape {
  using Pair = std::array<int64_t, 2>;
  Pair x, y;  // sizes
  int64_t channels, filters, groups;
  Pair window, stride, dilation;
  Pair before;            // below 0: x begins before what is read of it
  Pair y_begin, x_begin;  // where y and x begin in those of the whole picture
  bool bias = true;
  Pair y_step = {1, 1};  // from one result to the next in the array that holds y
  int64_t y_width = 0;   // of that array; 0: y's

  // A convolution of one picture, or a piece of one.
  static BlockShape Of(const ConvolutionShape& shape, Pair y_begin, Pair x_begin);
};

// Blocks of 8 x 32 results, which lie on one grid for all pieces of a picture, are computed by one
// primitive: what oneDNN makes of other sizes and paddings may add up in another order. Large
// windows over few channels fold as in StripConvolution. The bits are the same for any number of
// threads, too. Used by one thread at a time.
class BlockConvolution {
 public:
  explicit BlockConvolution(const BlockShape& shape);
  ~BlockConvolution();
  BlockConvolution(BlockConvolution&&) noexcept;

  size_t forward_scratch_bytes() const;
  // weights [O, C / groups, window], bias [O].
  void Forward(const float* x, const float* weights, const float* bias, float* y,
               std::byte* scratch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normkit
