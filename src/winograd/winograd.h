// Convolution 2-D with 3x3 filters in 2.25 times fewer multiplications (Winograd's F(2x2, 3x3);
// Lavin & Gray 2016): forward, gradient of the data, gradient of the weights.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "normkit/core/batch_part.h"
#include "normkit/core/reducer.h"
#include "normkit/core/tensor.h"
#include "src/onednn/convolution_shape.h"

namespace normkit {

// Why this is not the way to compute it, "filters are 5x5, expected 3x3"; "": it is. By the sizes
// of an image alone, so that bits depend neither on the machine nor on the batch.
std::string WhyNotWinograd(const ConvolutionShape& shape);

// The interface of Convolution: x and y channels last, weights [O, I, 3, 3] and bias [O] as in
// ONNX. The bits are the same for any number of threads and ranks, and on all processors that fuse
// multiply-adds. Of the forward pass and the gradient of the data those of an image do not depend
// on the others.
class WinogradConvolution {
 public:
  // `keeps_weights`: where images are small, transformed weights are kept from one Forward to the
  // next with the same ones.
  explicit WinogradConvolution(const ConvolutionShape& shape, const BatchPart& part = {},
                               bool keeps_weights = false);

  // Bytes of the 64-byte aligned memory that a call needs.
  size_t forward_scratch_bytes() const;
  size_t backward_scratch_bytes() const;

  void Forward(const float* x, const float* weights, const float* bias, float* y,
               std::byte* scratch);
  void BackwardData(const float* dy, const float* weights, bool add, float* dx,
                    std::byte* scratch) const;
  void BackwardWeights(const float* x, const float* dy, Reducer* reducer, float* dweights,
                       float* dbias, std::byte* scratch) const;

 private:
  const float* Transformed(const float* weights);

  ConvolutionShape shape_;
  BatchPart part_;
  bool keeps_;
  std::vector<float> kept_;  // of these weights
  Tensor transformed_;
};

}  // namespace normkit
