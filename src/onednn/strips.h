// Convolution forward of large pictures, by strips of rows.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "normkit/core/batch_part.h"
#include "normkit/core/reducer.h"
#include "src/onednn/convolution_shape.h"

namespace normkit {

// "": strips are worth it: few observations (whose leaves would leave threads idle), much work
// each.
std::string WhyNotStrips(const ConvolutionShape& shape);

// The forward pass of normkit::Convolution, each strip of rows on a thread of its own. Where large
// windows meet few channels the columns of the window are channels of their own: of x, [H,W,C]
// becomes [H,W',columns C], or of y, which is the sum of [H,W,columns O] along the rows; what is
// left is a window of one column over enough channels to fill vectors. The bits are the same for
// any number of threads.
class StripConvolution {
 public:
  explicit StripConvolution(const ConvolutionShape& shape, const BatchPart& part = {});
  ~StripConvolution();

  size_t forward_scratch_bytes() const;
  size_t backward_scratch_bytes() const { return 0; }
  void Forward(const float* x, const float* weights, const float* bias, float* y,
               std::byte* scratch);
  // Throw Error: it is made for inference.
  void BackwardData(const float* dy, const float* weights, bool add, float* dx, std::byte* scratch);
  void BackwardWeights(const float* x, const float* dy, Reducer* reducer, float* dweights,
                       float* dbias, std::byte* scratch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normkit
