// Convolution on oneDNN, over 1 to 3 dimensions of space: forward, gradient of the data, gradient
// of the weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "normkit/core/batch_part.h"
#include "normkit/core/reducer.h"
#include "src/onednn/convolution_shape.h"

namespace normkit {

// x and y are channels last; weights [O, C / groups, filter size] and bias [O] are as in ONNX, and
// go into oneDNN's own order and back at each call. The leaves of the mini-batch (`part` of which
// x holds) run on one thread each, gradients of weights are added up by their tree: the bits are
// the same for any number of threads and ranks. Used by one thread at a time.
class Convolution {
 public:
  Convolution(const ConvolutionShape& shape, bool training, const BatchPart& part = {});
  ~Convolution();

  // Bytes of the 64-byte aligned memory that a call needs.
  size_t forward_scratch_bytes() const;
  size_t backward_scratch_bytes() const;

  void Forward(const float* x, const float* weights, const float* bias, float* y,
               std::byte* scratch);
  void BackwardData(const float* dy, const float* weights, bool add, float* dx, std::byte* scratch);
  // Of all ranks' observations where there is a reducer; null: not wanted.
  void BackwardWeights(const float* x, const float* dy, Reducer* reducer, float* dweights,
                       float* dbias, std::byte* scratch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normkit
