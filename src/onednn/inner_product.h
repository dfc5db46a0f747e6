// y = x W^T + b, forward and backward, on oneDNN's matrix product.
#pragma once

#include <cstdint>

namespace normkit {

struct InnerProductShape {
  int64_t batch, inputs, outputs;
};

// x [B, I], weights [O, I], bias [O] (null: none), y [B, O]; dense f32. Cut by shape into products
// that run on one thread each, so that the bits are the same for any number of threads.
class InnerProduct {
 public:
  explicit InnerProduct(const InnerProductShape& shape) : shape_(shape) {}

  void Forward(const float* x, const float* weights, const float* bias, float* y) const;
  void BackwardData(const float* dy, const float* weights, bool add, float* dx) const;
  void BackwardWeights(const float* x, const float* dy, float* dweights, float* dbias) const;

 private:
  InnerProductShape shape_;
};

}  // namespace normkit
