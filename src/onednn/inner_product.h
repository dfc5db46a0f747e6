// y = x W^T + b, forward and backward, on oneDNN's matrix product.
#pragma once

#include <cstdint>

#include "src/core/batch_tree.h"
#include "src/products/outer_sum.h"

namespace normkit {

struct InnerProductShape {
  int64_t batch, inputs, outputs;
};

// x [B, I], weights [O, I], bias [O] (null: none), y [B, O]; dense f32. x holds a part of the
// mini-batch, which is cut, into blocks of rows and, for the gradient of the weights, into leaves:
// products that run on one thread each, so that the bits are the same for any number of threads and
// ranks.
class InnerProduct {
 public:
  explicit InnerProduct(const InnerProductShape& shape, const BatchPart& part = {})
      : InnerProduct(shape, RowCut(shape.batch, part)) {}
  InnerProduct(const InnerProductShape& shape, const RowCut& cut) : shape_(shape), cut_(cut) {}

  void Forward(const float* x, const float* weights, const float* bias, float* y) const;
  void BackwardData(const float* dy, const float* weights, bool add, float* dx) const;
  // Of all ranks' observations where there is a reducer; null: not wanted. Without dweights x is
  // not read.
  void BackwardWeights(const float* x, const float* dy, Reducer* reducer, float* dweights,
                       float* dbias) const;

 private:
  void StoreWeights(const LeafCut& cut, const float* x, const float* dy, Reducer* reducer,
                    float* dweights) const;
  void SumOwn(const LeafCut& cut, const float* x, const float* dy, const products::Tile& tile,
              const LeafArrays<float>& nodes) const;
  void SumWeights(const LeafCut& cut, const float* x, const float* dy,
                  const LeafArrays<float>& nodes) const;

  InnerProductShape shape_;
  RowCut cut_;
};

}  // namespace normkit
