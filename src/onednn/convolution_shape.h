// The sizes of a convolution over any number of dimensions of space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace normkit {

// A number for each dimension of space, the outermost first: height and width.
using Space = std::vector<int64_t>;

inline int64_t Product(const Space& sizes) {
  int64_t product = 1;
  for (const int64_t size : sizes) product *= size;
  return product;
}

// Throws Error where a dimension of space is too long: oneDNN counts some in 32 bits, and makes
// tables of them.
void CheckSpace(const Space& sizes);

// How many windows fit: floor((padded - (window - 1) dilation - 1) / stride) + 1 in each dimension.
inline Space WindowCounts(const Space& size, const Space& before, const Space& after,
                          const Space& window, const Space& stride, const Space& dilation) {
  Space counts;
  for (size_t i = 0; i < size.size(); ++i)
    counts.push_back(
        (size[i] + before[i] + after[i] - (window[i] - 1) * dilation[i] - 1) / stride[i] + 1);
  return counts;
}

struct ConvolutionShape {
  int64_t batch;
  Space size;  // x [B, size, channels]
  int64_t channels;
  int64_t filters, groups;
  Space filter_size, stride, dilation;
  Space before, after;  // zeros around x
  bool bias;

  size_t dims() const { return size.size(); }
  Space output_size() const {
    return WindowCounts(size, before, after, filter_size, stride, dilation);
  }
  int64_t x_size() const { return Product(size) * channels; }          // of one observation
  int64_t y_size() const { return Product(output_size()) * filters; }  // likewise
  int64_t weights_size() const { return filters * (channels / groups) * Product(filter_size); }
};

}  // namespace normkit
