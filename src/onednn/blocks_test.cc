// Convolution by blocks gives what the whole convolution gives, and pieces have the bits of all.
#include "src/onednn/blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "src/core/parallel.h"
#include "src/onednn/convolution.h"

namespace normkit {
namespace {

using Floats = std::vector<float>;

Floats Draw(int64_t size, uint64_t stream) {
  Random random(3, stream);
  Floats values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

template <class Implementation>
Floats RunForward(Implementation& convolution, const Floats& x, const Floats& weights,
                  const Floats& bias, int64_t size) {
  Floats y(static_cast<size_t>(size), NAN);
  Tensor scratch(
      Layout::Unlabelled(std::vector{static_cast<int64_t>(convolution.forward_scratch_bytes())}),
      DType::kU8);
  convolution.Forward(x.data(), weights.data(), bias.data(), y.data(),
                      static_cast<std::byte*>(scratch.data()));
  return y;
}

// {batch, size, channels, filters, groups, window, stride, dilation, before, after, bias}
const ConvolutionShape kShapes[] = {
    {1, {41, 75}, 16, 24, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true},
    {1, {41, 75}, 8, 16, 1, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, true},
    {1, {50, 41}, 8, 8, 1, {3, 2}, {1, 2}, {4, 3}, {3, 0}, {5, 1}, true},
    {1, {33, 20}, 16, 16, 4, {5, 3}, {1, 1}, {1, 1}, {2, 2}, {0, 1}, true},
    {1, {37, 70}, 3, 16, 1, {9, 9}, {1, 1}, {1, 1}, {4, 4}, {4, 4}, true},
    {1, {37, 70}, 16, 3, 1, {9, 9}, {1, 1}, {1, 1}, {4, 4}, {4, 4}, true},
    {1, {9, 9}, 5, 7, 1, {2, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true},
};

TEST(Blocks, AreTheConvolution) {
  for (const ConvolutionShape& s : kShapes) {
    SCOPED_TRACE(s.filter_size[0] * 100 + s.channels);
    const Floats x = Draw(s.x_size(), 1), weights = Draw(s.weights_size(), 2),
                 bias = Draw(s.filters, 3);
    Convolution reference(s, /*training=*/false);
    BlockConvolution blocks(BlockShape::Of(s, {0, 0}, {0, 0}));
    const Floats expected = RunForward(reference, x, weights, bias, s.y_size());
    Floats first;
    for (const int threads : {1, 2, 5}) {
      const WithThreads with(threads);
      const Floats y = RunForward(blocks, x, weights, bias, s.y_size());
      for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 2e-4) << i;
      if (first.empty()) first = y;
      EXPECT_EQ(std::memcmp(y.data(), first.data(), y.size() * sizeof(float)), 0);
    }
  }
}

TEST(Blocks, PiecesHaveTheBitsOfTheWhole) {
  for (const ConvolutionShape& s : kShapes) {
    SCOPED_TRACE(s.filter_size[0] * 100 + s.channels);
    const Floats x = Draw(s.x_size(), 1), weights = Draw(s.weights_size(), 2),
                 bias = Draw(s.filters, 3);
    BlockConvolution all(BlockShape::Of(s, {0, 0}, {0, 0}));
    const Floats whole = RunForward(all, x, weights, bias, s.y_size());
    const int64_t width = s.output_size()[1];
    for (const int64_t row : {0, 3, 8})
      for (const int64_t column : {0, 1, 17}) {
        if (column >= width) continue;
        // All of y from there on, of all of x from what that reads.
        BlockShape piece = BlockShape::Of(s, {row, column}, {0, 0});
        for (size_t i = 0; i < 2; ++i) {
          piece.before[i] -= piece.y_begin[i] * s.stride[i];
          piece.y[i] -= piece.y_begin[i];
        }
        if (piece.y[0] < 1) continue;
        BlockConvolution part(piece);
        const Floats y = RunForward(part, x, weights, bias, piece.y[0] * piece.y[1] * s.filters);
        for (int64_t r = 0; r < piece.y[0]; ++r)
          EXPECT_EQ(std::memcmp(y.data() + r * piece.y[1] * s.filters,
                                whole.data() + ((row + r) * width + column) * s.filters,
                                static_cast<size_t>(piece.y[1] * s.filters) * sizeof(float)),
                    0)
              << row << ", " << column << ": row " << r;
      }
  }
}

}  // namespace
}  // namespace normkit
