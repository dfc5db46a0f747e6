// Maximum and average pooling 2-D on oneDNN.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace normkit {

enum class PoolingKind { kMax, kAverage };  // the average counts the zeros of the padding

struct PoolingShape {
  int64_t batch, height, width, channels;    // x [B, H, W, C]
  std::array<int64_t, 2> pool_size, stride;  // height, width
  int64_t top, bottom, left, right;          // padding, less than pool_size

  int64_t output_height() const { return (height + top + bottom - pool_size[0]) / stride[0] + 1; }
  int64_t output_width() const { return (width + left + right - pool_size[1]) / stride[1] + 1; }
};

// x and y are channels last. The batch is cut by shape into pieces that run on one thread each.
// Used by one thread at a time.
class Pooling {
 public:
  Pooling(PoolingKind kind, const PoolingShape& shape, bool training);
  ~Pooling();

  size_t saved_bytes() const;  // where the maxima were, from Forward to Backward
  size_t forward_scratch_bytes() const;
  size_t backward_scratch_bytes() const;

  // `saved` null: no Backward will follow. Only with `training` may it be given.
  void Forward(const float* x, float* y, std::byte* saved, std::byte* scratch);
  void Backward(const float* dy, const std::byte* saved, bool add, float* dx, std::byte* scratch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normkit
