// Convolution by nested loops in f64: slow, any shape; what NORMKIT_CONVOLUTION=reference computes.
#pragma once

#include <vector>

#include "src/core/late_sums.h"
#include "src/onednn/convolution_products.h"

namespace normkit::ops {

// The interface of normkit::Convolution.
class ReferenceConvolution {
 public:
  explicit ReferenceConvolution(const ConvolutionShape& shape, const BatchPart& part = {})
      : shape_(shape), cut_(shape.batch, part) {}
  size_t forward_scratch_bytes() const { return 0; }
  size_t backward_scratch_bytes() const { return 0; }

  void Forward(const float* x, const float* weights, const float* bias, float* y, std::byte*) {
    std::vector<double> sums(Outputs());
    for (size_t i = 0; bias && i < sums.size(); ++i) sums[i] = bias[i % Filters()];
    ForProducts(shape_, [&](size_t i, size_t k, size_t o) {
      sums[o] += static_cast<double>(x[i]) * weights[k];
    });
    Put(sums, false, y);
  }

  void BackwardData(const float* dy, const float* weights, bool add, float* dx, std::byte*) {
    std::vector<double> sums(static_cast<size_t>(shape_.batch * shape_.x_size()));
    ForProducts(shape_, [&](size_t i, size_t k, size_t o) {
      sums[i] += static_cast<double>(dy[o]) * weights[k];
    });
    Put(sums, add, dx);
  }

  void BackwardWeights(const float* x, const float* dy, Reducer* reducer, float* dweights,
                       float* dbias, std::byte*) {
    const auto weights = static_cast<size_t>(shape_.weights_size()), all = weights + Filters();
    std::vector<double> sums(all * BatchPart::kLeaves);
    LeafArrays<double> arrays{};
    for (int64_t i = 0; i < cut_.count(); ++i) {
      const auto leaf = static_cast<size_t>(cut_.leaf(i));
      AddLeaf(i, x, dy, arrays[leaf] = sums.data() + leaf * all);
    }
    SumPart(arrays, cut_.part(), static_cast<int64_t>(all));
    if (dweights) SumNodesTo(arrays, cut_.part(), reducer, static_cast<int64_t>(weights), dweights);
    if (!dbias) return;
    for (double*& array : arrays)
      if (array) array += weights;
    SumNodesTo(arrays, cut_.part(), reducer, shape_.filters, dbias);
  }

 private:
  // Of the weights, and behind them of the bias.
  void AddLeaf(int64_t i, const float* x, const float* dy, double* sums) const {
    ConvolutionShape leaf = shape_;
    leaf.batch = cut_.length(i);
    x += cut_.begin(i) * shape_.x_size();
    dy += cut_.begin(i) * shape_.y_size();
    ForProducts(leaf, [&](size_t xi, size_t k, size_t o) {
      sums[k] += static_cast<double>(x[xi]) * dy[o];
    });
    for (int64_t o = 0; o < leaf.batch * leaf.y_size(); ++o)
      sums[shape_.weights_size() + o % shape_.filters] += dy[o];
  }
  size_t Outputs() const { return static_cast<size_t>(shape_.batch * shape_.y_size()); }
  size_t Filters() const { return static_cast<size_t>(shape_.filters); }
  static void Put(const std::vector<double>& sums, bool add, float* to) {
    for (size_t i = 0; i < sums.size(); ++i)
      to[i] = static_cast<float>(sums[i]) + (add ? to[i] : 0.f);
  }

  ConvolutionShape shape_;
  LeafCut cut_;
};

}  // namespace normkit::ops
