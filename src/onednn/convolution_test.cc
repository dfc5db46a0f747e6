// Convolution against seven nested loops in f64.
#include "src/onednn/convolution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "normkit/core/threads.h"
#include "src/onednn/window_cases.h"

namespace normkit {
namespace {

ConvolutionShape Shape(int64_t batch, int64_t height, int64_t width, int64_t channels,
                       int64_t filters, int64_t groups, const WindowCase& window, bool bias) {
  return {batch,        height,        width,           channels,   filters,       groups,
          window.size,  window.stride, window.dilation, window.top, window.bottom, window.left,
          window.right, bias};
}

struct Sizes {
  size_t x, y, weights;
  explicit Sizes(const ConvolutionShape& s)
      : x(static_cast<size_t>(s.batch * s.height * s.width * s.channels)),
        y(static_cast<size_t>(s.batch * s.output_height() * s.output_width() * s.filters)),
        weights(static_cast<size_t>(s.filters * (s.channels / s.groups) * s.filter_size[0] *
                                    s.filter_size[1])) {}
};

// Calls visit(x index, weights index, y index) for every product of the sum.
void ForProducts(const ConvolutionShape& s,
                 const std::function<void(size_t, size_t, size_t)>& visit) {
  const int64_t in = s.channels / s.groups, out = s.filters / s.groups;
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t oh = 0; oh < s.output_height(); ++oh)
      for (int64_t ow = 0; ow < s.output_width(); ++ow)
        for (int64_t o = 0; o < s.filters; ++o)
          for (int64_t kh = 0; kh < s.filter_size[0]; ++kh)
            for (int64_t kw = 0; kw < s.filter_size[1]; ++kw) {
              const int64_t h = oh * s.stride[0] + kh * s.dilation[0] - s.top;
              const int64_t w = ow * s.stride[1] + kw * s.dilation[1] - s.left;
              if (h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
              for (int64_t i = 0; i < in; ++i) {
                const int64_t c = o / out * in + i;
                visit(static_cast<size_t>(((b * s.height + h) * s.width + w) * s.channels + c),
                      static_cast<size_t>(
                          ((o * in + i) * s.filter_size[0] + kh) * s.filter_size[1] + kw),
                      static_cast<size_t>(
                          ((b * s.output_height() + oh) * s.output_width() + ow) * s.filters + o));
              }
            }
}

std::vector<float> Normal(size_t size, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

struct Result {
  std::vector<float> y, dx, dweights, dbias;
};

Result Results(const ConvolutionShape& s) {
  const Sizes sizes(s);
  const auto x = Normal(sizes.x, 1), weights = Normal(sizes.weights, 2), dy = Normal(sizes.y, 3),
             bias = Normal(static_cast<size_t>(s.filters), 4);
  Convolution convolution(s, true);
  const size_t bytes =
      std::max(convolution.forward_scratch_bytes(), convolution.backward_scratch_bytes());
  Tensor scratch(Layout({{kC, static_cast<int64_t>(bytes / 4 + 1)}}));
  auto* memory = static_cast<std::byte*>(scratch.data());
  Result r{std::vector<float>(sizes.y), std::vector<float>(sizes.x),
           std::vector<float>(sizes.weights), std::vector<float>(static_cast<size_t>(s.filters))};
  convolution.Forward(x.data(), weights.data(), s.bias ? bias.data() : nullptr, r.y.data(), memory);
  convolution.BackwardData(dy.data(), weights.data(), false, r.dx.data(), memory);
  convolution.BackwardWeights(x.data(), dy.data(), r.dweights.data(),
                              s.bias ? r.dbias.data() : nullptr, memory);
  return r;
}

// Sums of n products of normal numbers: |error| stays below a few 2^-24 * sqrt(n) * log(n).
void ExpectNear(const std::vector<float>& got, const std::vector<double>& expected, double terms) {
  const double tolerance = 1e-6 * std::sqrt(terms) + 1e-6;
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], tolerance * 4) << i;
}

void Check(const ConvolutionShape& s) {
  const Sizes sizes(s);
  const auto x = Normal(sizes.x, 1), weights = Normal(sizes.weights, 2), dy = Normal(sizes.y, 3),
             bias = Normal(static_cast<size_t>(s.filters), 4);
  std::vector<double> y(sizes.y), dx(sizes.x), dweights(sizes.weights),
      dbias(static_cast<size_t>(s.filters));
  ForProducts(s, [&](size_t at_x, size_t at_weights, size_t at_y) {
    y[at_y] += static_cast<double>(x[at_x]) * weights[at_weights];
    dx[at_x] += static_cast<double>(dy[at_y]) * weights[at_weights];
    dweights[at_weights] += static_cast<double>(dy[at_y]) * x[at_x];
  });
  for (size_t i = 0; s.bias && i < y.size(); ++i) {
    y[i] += bias[i % dbias.size()];
    dbias[i % dbias.size()] += dy[i];
  }
  const Result r = Results(s);
  const auto pixels = static_cast<double>(sizes.y / static_cast<size_t>(s.filters));
  const auto products = static_cast<double>(sizes.weights / static_cast<size_t>(s.filters));
  ExpectNear(r.y, y, products);
  ExpectNear(r.dx, dx, products * static_cast<double>(s.filters) / static_cast<double>(s.channels));
  ExpectNear(r.dweights, dweights, pixels);
  if (s.bias) ExpectNear(r.dbias, dbias, pixels);
}

TEST(ConvolutionTest, AgreesWithNestedLoops) {
  struct Channels {
    int64_t in, out, groups;
  };
  for (const WindowCase& window : kWindowCases)
    for (const Channels& c :
         {Channels{1, 8, 1}, {3, 16, 1}, {16, 32, 1}, {6, 9, 3}, {8, 8, 8}, {32, 17, 1}})
      for (const int64_t batch : {1, 3, 18}) {
        SCOPED_TRACE(testing::Message()
                     << "window " << &window - kWindowCases << " channels " << c.in << ">" << c.out
                     << "/" << c.groups << " batch " << batch);
        Check(Shape(batch, 7, 9, c.in, c.out, c.groups, window, batch != 3));
        if (HasFailure()) return;
      }
}

// The pieces of a batch and the order of their sums follow from the shape alone.
TEST(ConvolutionTest, SameBitsForAnyNumberOfThreads) {
  const ConvolutionShape s = Shape(21, 16, 16, 16, 24, 1, kWindowCases[1], true);
  SetNumThreads(1);
  const Result one = Results(s);
  for (const int threads : {2, 3, 8}) {
    SetNumThreads(threads);
    const Result many = Results(s);
    EXPECT_EQ(one.y, many.y) << threads;
    EXPECT_EQ(one.dx, many.dx) << threads;
    EXPECT_EQ(one.dweights, many.dweights) << threads;
    EXPECT_EQ(one.dbias, many.dbias) << threads;
  }
  SetNumThreads(0);
}

}  // namespace
}  // namespace normkit
