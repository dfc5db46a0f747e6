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
};

// x [B, space, C], weights [O, C / groups, window] and perhaps bias [O] -> [B, space', O].
OpPtr Convolution(const Window& window, int64_t groups);

enum class Pool { kMax, kAverage };              // the average counts the zeros of the padding
OpPtr Pooling(Pool pool, const Window& window);  // dilation is not looked at
OpPtr GlobalAverage();                           // [B, space, C] -> [B, 1, .., C]

OpPtr MatrixProduct();  // x [B,I], weights [O,I] and perhaps bias [O] -> x W^T + b, [B,O]
OpPtr Softmax();        // over the last axis

// x0 + x1 + ..., all of one shape, or what a ReLU makes of it.
OpPtr Addition(bool relu = false);
OpPtr Concatenation();  // along the last axis

// [B,H,W,C] -> [B, C H W], channel by channel as ONNX flattens.
OpPtr Flatten();

// [rows, ..] of sequences -> [B, ..]: the mean over the rows of each, or its last row.
enum class TimePool { kMean, kLast };
OpPtr TimePooling(TimePool pool);

// Training sets elements to 0 with this probability, and scales the others by 1 / (1 - p).
OpPtr Dropout(double probability);

// What an input layer makes of observations, channel by channel: x and one or two arrays [C].
enum class Rescale { kSubtract, kStandardize, kZeroOne, kSymmetric };
OpPtr Rescaling(Rescale how);

// Arithmetic on shapes: i64 vectors that are known before anything runs.
OpPtr ShapeOf();  // of any array
enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide };
OpPtr MakeArithmetic(Arithmetic kind);      // two of one length, or one of one element
OpPtr Slice(int64_t begin, int64_t count);  // begin < 0: from the end
OpPtr Join();                               // one behind the other
// x and such a vector, in which one element may be -1: whatever fits. The axes of what comes out
// have the labels of `format`, or none.
OpPtr Reshape(const std::string& format = "");

}  // namespace normkit::ops
