// Convolutions by seven nested loops in f64, and what a class makes of the same arrays: for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "src/core/exact_sum_testing.h"
#include "src/onednn/convolution_products.h"
#include "src/onednn/window_cases.h"

namespace normkit {

inline ConvolutionShape MakeShape(int64_t batch, const Space& size, int64_t channels,
                                  int64_t filters, int64_t groups, const WindowCase& window,
                                  bool bias) {
  return {batch,           size,          channels,     filters, groups, window.size, window.stride,
          window.dilation, window.before, window.after, bias};
}

inline std::vector<float> NormalNumbers(size_t size, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

// The arrays of one problem, numbers of mean 0 and deviation 1.
struct ConvolutionArrays {
  std::vector<float> x, weights, dy, bias;
  explicit ConvolutionArrays(const ConvolutionShape& s)
      : x(NormalNumbers(static_cast<size_t>(s.batch * s.x_size()), 1)),
        weights(NormalNumbers(static_cast<size_t>(s.weights_size()), 2)),
        dy(NormalNumbers(static_cast<size_t>(s.batch * s.y_size()), 3)),
        bias(NormalNumbers(static_cast<size_t>(s.filters), 4)) {}
};

template <class T>
struct ConvolutionResults {
  std::vector<T> y, dx, dweights, dbias;
  explicit ConvolutionResults(const ConvolutionShape& s)
      : y(static_cast<size_t>(s.batch * s.y_size())),
        dx(static_cast<size_t>(s.batch * s.x_size())),
        dweights(static_cast<size_t>(s.weights_size())),
        dbias(static_cast<size_t>(s.filters)) {}
  bool operator==(const ConvolutionResults&) const = default;
};

// By `convolution`, Convolution or WinogradConvolution; `add`: on top of a dx of ones.
template <class Way>
ConvolutionResults<float> Results(Way&& convolution, const ConvolutionShape& s, bool add = false) {
  const ConvolutionArrays a(s);
  const size_t bytes =
      std::max(convolution.forward_scratch_bytes(), convolution.backward_scratch_bytes());
  Tensor scratch(Layout({{kC, static_cast<int64_t>(bytes / 4 + 1)}}));
  auto* memory = static_cast<std::byte*>(scratch.data());
  ConvolutionResults<float> r(s);
  if (add) std::fill(r.dx.begin(), r.dx.end(), 1.f);
  convolution.Forward(a.x.data(), a.weights.data(), s.bias ? a.bias.data() : nullptr, r.y.data(),
                      memory);
  convolution.BackwardData(a.dy.data(), a.weights.data(), add, r.dx.data(), memory);
  convolution.BackwardWeights(a.x.data(), a.dy.data(), nullptr, r.dweights.data(),
                              s.bias ? r.dbias.data() : nullptr, memory);
  return r;
}

inline ConvolutionResults<ExactSum> ExactResults(const ConvolutionShape& s) {
  const ConvolutionArrays a(s);
  ConvolutionResults<ExactSum> r(s);
  ForProducts(s, [&](size_t x, size_t weights, size_t y) {
    r.y[y].Add(a.x[x], a.weights[weights]);
    r.dx[x].Add(a.dy[y], a.weights[weights]);
    r.dweights[weights].Add(a.dy[y], a.x[x]);
  });
  for (size_t i = 0; s.bias && i < r.y.size(); ++i) {
    r.y[i].Add(a.bias[i % r.dbias.size()]);
    r.dbias[i % r.dbias.size()].Add(a.dy[i]);
  }
  return r;
}

}  // namespace normkit
