// The operations that are no row of a table. x and y are f32, images channels last, [B,H,W,C].
#pragma once

#include <memory>
#include <string>

#include "normkit/core/random.h"
#include "normkit/ops/op.h"
#include "normkit/ops/padding.h"
#include "src/onednn/convolution_shape.h"

namespace normkit::ops {

using OpPtr = std::shared_ptr<const Op>;

// How a window slides over lines, images or volumes, the outermost dimension first (height, width).
// One number stands for every dimension; none: 1.
struct Window {
  Space size, stride, dilation;
  Padding padding = {};
  bool odd_before = false;  // "same": the odd zero is in front
  // Of pools: the last window may end behind the padding; an average counts zeros of the padding.
  bool ceil = false, counts_padding = true;
};

// x [B, space, C], weights [O, C / groups, window] and perhaps bias [O] -> [B, space', O].
OpPtr Convolution(const Window& window, int64_t groups);

// The gradient of such a convolution as an operation (its transpose): x [B, space, C], weights
// [C, O / groups, window] and perhaps bias [O] -> [B, space', O], space' = (space - 1) stride +
// (window - 1) dilation + 1 - padding + `more`, or `size` where given, which sets the padding:
// an odd one more at the end, or at the begin with `begin_odd`.
struct Transposed {
  Space more = {}, size = {};
  bool begin_odd = false;
};
OpPtr TransposedConvolution(const Window& window, int64_t groups, const Transposed& how = {});

enum class Pool { kMax, kAverage };
OpPtr Pooling(Pool pool, const Window& window);
OpPtr GlobalAverage();  // [B, space, C] -> [B, 1, .., C]

OpPtr MatrixProduct();  // x [B,I], weights [O,I] and perhaps bias [O] -> x W^T + b, [B,O]
OpPtr Softmax();        // over the last axis
// x [B, .., C] -> [B, C, C], x^T x divided by the rows of an observation: how its channels go
// together, wherever (Gatys et al. 2016).
OpPtr GramMatrix();
// a [.., M, K] and b [.., K, N] -> [.., M, N], the axes in front broadcast; one axis is a row of a,
// a column of b, and goes.
OpPtr MatrixProducts();

// x0 + x1 + ..., all of one shape, or what a ReLU makes of it.
OpPtr Addition(bool relu = false);
OpPtr Concatenation(int64_t axis = -1);

// x [.., C] and numbers of each channel, [C]: x where x > 0, alpha x elsewhere (He et al. 2015);
// scale x; and of alpha [1], scale and offset, scale tanh(alpha x) + offset (Zhu et al. 2025).
OpPtr ParametricRelu();
OpPtr ChannelScale();
OpPtr DynamicTanh();

// x [.., C] / (bias + alpha / size * the sum of x^2 over `size` channels around)^beta, of an even
// size one more behind (Krizhevsky et al. 2012).
struct CrossChannelSettings {
  int64_t size = 5;
  double alpha = 1e-4, beta = 0.75, bias = 1;
};
OpPtr CrossChannelNormalization(const CrossChannelSettings& settings);

// Weights [O, ..] less their mean over each output's, divided by their deviation (Qiao et al.
// 2019).
OpPtr WeightStandardization(double epsilon);

// [B,H,W,C] -> [B, C H W], channel by channel as ONNX flattens.
OpPtr Flatten();

// [rows, ..] of sequences -> [B, ..]: the mean over the rows of each, its last row, or the largest.
enum class TimePool { kMean, kLast, kMax };
OpPtr TimePooling(TimePool pool);

// Training sets elements to 0 with this probability, and scales the others by 1 / (1 - p).
OpPtr Dropout(double probability);

// What an input layer makes of observations, channel by channel: x and one or two arrays [C].
enum class Rescale { kSubtract, kStandardize, kZeroOne, kSymmetric };
OpPtr Rescaling(Rescale how);

// Arithmetic on shapes: i64 vectors that are known before anything runs.
OpPtr ShapeOf();  // of any array
OpPtr SizeOf();   // one number: how many elements it has
enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide };
OpPtr MakeArithmetic(Arithmetic kind);      // two of one length, or one of one element
OpPtr Slice(int64_t begin, int64_t count);  // begin < 0: from the end
OpPtr Range();                              // from, to (left out) and step, a number each
OpPtr Join();                               // one behind the other
OpPtr ConvertElements(DType to);            // between f32, i64 and bool
// x of known elements as many as such a vector says, each this one: f32, i64 or bool.
OpPtr Filled(std::shared_ptr<const Tensor> element);

// x and such a vector, in which one element may be -1: whatever fits; and, with `zero_keeps`, 0:
// the size that x has there. The axes of what comes out have the labels of `format`, or none.
OpPtr Reshape(const std::string& format = "", bool zero_keeps = false);
// Axes of one element more (as places in what comes out) or less (none given: all of them).
OpPtr AddAxes(std::vector<int64_t> axes);
OpPtr RemoveAxes(std::vector<int64_t> axes);
// The same array, computed at each pass even where it is known.
OpPtr Copy();
OpPtr FlattenAt(int64_t axis);  // [what is before the axis, the others]

// Elements in another order, some of them, or some often; of any type.
OpPtr Transpose(std::vector<int> order);  // y's axis i is x's axis order[i]
// x and known begins, ends and perhaps axes and steps, as NumPy's slices.
OpPtr SliceAxes();
OpPtr Expand();  // x and a known shape that it is broadcast with
// x and indices (i64; below 0: from the end): what lies there along the axis.
OpPtr Gather(int64_t axis);

// Elements around x [.., axes, ..]: known i64 begins of all axes, then ends; below 0 they cut off.
// With a third input (one f32) in place of 0. kAround: what lies at the other end.
enum class Edge { kConstant, kReflect, kRepeat, kAround };
OpPtr Pad(Edge edge);

// Over some axes of f32 x, which stay as axes of one element.
enum class Reduction { kMean, kSum, kSumOfSquares, kMaximum, kMinimum, kProduct };
OpPtr Reduce(Reduction reduction, std::vector<int64_t> axes);

}  // namespace normkit::ops
