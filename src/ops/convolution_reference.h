// Convolution by nested loops in f64: slow, any shape; what NORMKIT_CONVOLUTION=reference computes.
#pragma once

#include <vector>

#include "src/onednn/convolution_products.h"

namespace normkit::ops {

// The interface of normkit::Convolution.
class ReferenceConvolution {
 public:
  explicit ReferenceConvolution(const ConvolutionShape& shape) : shape_(shape) {}
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

  void BackwardWeights(const float* x, const float* dy, float* dweights, float* dbias, std::byte*) {
    std::vector<double> sums(static_cast<size_t>(shape_.weights_size()));
    ForProducts(shape_, [&](size_t i, size_t k, size_t o) {
      sums[k] += static_cast<double>(x[i]) * dy[o];
    });
    Put(sums, false, dweights);
    if (!dbias) return;
    std::vector<double> of_filters(Filters());
    for (size_t o = 0; o < Outputs(); ++o) of_filters[o % Filters()] += dy[o];
    Put(of_filters, false, dbias);
  }

 private:
  size_t Outputs() const { return static_cast<size_t>(shape_.batch * shape_.y_size()); }
  size_t Filters() const { return static_cast<size_t>(shape_.filters); }
  static void Put(const std::vector<double>& sums, bool add, float* to) {
    for (size_t i = 0; i < sums.size(); ++i)
      to[i] = static_cast<float>(sums[i]) + (add ? to[i] : 0.f);
  }

  ConvolutionShape shape_;
};

}  // namespace normkit::ops
