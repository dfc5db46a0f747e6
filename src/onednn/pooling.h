// Maximum and average pooling on oneDNN, over 1 to 3 dimensions of space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "normkit/core/batch_part.h"
#include "src/onednn/convolution_shape.h"

namespace normkit {

enum class PoolingKind { kMax, kAverage, kAverageInside };  // inside: of what is no padding

struct PoolingShape {
  int64_t batch;
  Space size;  // x [B, size, channels]
  int64_t channels;
  Space pool_size, stride;
  Space before, after;  // padding, less than pool_size
  Space dilation = {};  // empty: 1

  Space dilations() const { return dilation.empty() ? Space(size.size(), 1) : dilation; }
  Space output_size() const {
    return WindowCounts(size, before, after, pool_size, stride, dilations());
  }
};

// x and y are channels last. The leaves of the mini-batch run on one thread each.
// Used by one thread at a time.
class Pooling {
 public:
  Pooling(PoolingKind kind, const PoolingShape& shape, bool training, const BatchPart& part = {});
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
