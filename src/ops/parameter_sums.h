// Gradients of scale and offset, which nothing else follows from.
#pragma once

#include "src/core/late_sums.h"

namespace normkit::ops {

// From the sums of each leaf, [2][size]: of dy xhat, and of dy. Null: not wanted.
inline void SumParameterGradients(LeafArrays<double> leaves, const BatchPart& part,
                                  Reducer* reducer, int64_t size, void* dgamma, void* dbeta) {
  SumPart(leaves, part, 2 * size);
  for (void* gradient : {dgamma, dbeta}) {
    if (gradient) SumNodesTo(leaves, part, reducer, size, static_cast<float*>(gradient));
    for (double*& node : leaves)
      if (node) node += size;
  }
}

}  // namespace normkit::ops
