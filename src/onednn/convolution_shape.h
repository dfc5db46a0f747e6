// The sizes of a convolution 2-D.
#pragma once

#include <array>
#include <cstdint>

namespace normkit {

struct ConvolutionShape {
  int64_t batch, height, width, channels;  // x [B, H, W, C]
  int64_t filters, groups;
  std::array<int64_t, 2> filter_size, stride, dilation;  // height, width
  int64_t top, bottom, left, right;                      // zeros around x
  bool bias;

  int64_t output_height() const {
    return OutputSize(height + top + bottom, filter_size[0], stride[0], dilation[0]);
  }
  int64_t output_width() const {
    return OutputSize(width + left + right, filter_size[1], stride[1], dilation[1]);
  }

 private:
  static int64_t OutputSize(int64_t padded, int64_t size, int64_t stride, int64_t dilation) {
    return (padded - (size - 1) * dilation - 1) / stride + 1;
  }
};

}  // namespace normkit
