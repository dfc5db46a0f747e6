// What other frameworks mean by the numbers that normkit holds: momentum, the divisor of running
// variances, epsilon, and the order of weights.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/norm/normalization.h"

namespace normkit {

// The toolbox is MATLAB's Deep Learning Toolbox.
enum class Framework { kNormkit, kToolbox, kPyTorch, kKeras, kOnnx };
NORMKIT_API std::string_view Name(Framework framework);  // "normkit", "toolbox", "pytorch", ...
NORMKIT_API Framework ParseFramework(std::string_view name);

// What batch normalization is there where nobody says otherwise.
struct BatchNormConvention {
  double epsilon = 1e-5;
  double momentum = 0.1;
  bool weighs_new = true;  // momentum is the weight of the new value, not of the old one
  // What the variance of a mini-batch is divided by before the running variance moves towards it;
  // what normalizes the mini-batch is divided by the count everywhere.
  RunningDivisor divisor = RunningDivisor::kCount;
};
NORMKIT_API BatchNormConvention ConventionOf(Framework framework);

// 0.99 of Keras is 0.01 of PyTorch. Throws Error where it is not from 0 to 1.
NORMKIT_API double ConvertMomentum(double momentum, Framework from, Framework to);

// Running variances, in place: those of mini-batches with `count` values behind each statistic. To
// move them by such mini-batches and to convert them then is the same, so whoever trains on
// converts before and back behind it; a network that is to predict what it predicted takes them as
// they are. Throws Error where count is below 2.
NORMKIT_API void ConvertVariance(std::span<float> variance, int64_t count, Framework from,
                                 Framework to);

// Scales, in place: with another epsilon and the same variance they give what they gave,
//   scale sqrt((variance + to) / (variance + from)),
// in prediction; training then divides by other numbers. Throws Error where sizes differ.
NORMKIT_API void ConvertEpsilon(std::span<float> scale, std::span<const float> variance,
                                double from, double to);

// What weights are of, and their sizes, row after row: O outputs, I inputs (of a group), K sizes of
// the filter, the outermost first.
//   convolution    [O,I,K..]; Keras and the toolbox [K..,I,O]
//   connection     [O,I], of a fully connected layer; Keras [I,O]
//   lstm, gru      [gates H,I], input or recurrent weights, or biases [gates H]; Keras [I,gates H].
//                  gates: input i, forget f, candidate g, output o; reset r, update z, candidate n:
//                  i f g o and r z n, ONNX i o f g and z r n, Keras i f g o and z r n
// Of a connection behind a flattened image, `flattened` is its {height, width, channels}: its
// inputs are in the order of channels, rows, columns (normkit, PyTorch, ONNX), rows, columns,
// channels (Keras), or channels, columns, rows (the toolbox).
enum class WeightKind { kConvolution, kConnection, kLstm, kGru };
NORMKIT_API std::string_view Name(WeightKind kind);  // "convolution", ...
NORMKIT_API WeightKind ParseWeightKind(std::string_view name);

struct WeightArray {
  std::vector<float> values;
  std::vector<int64_t> shape;
};
// Throws Error where the shape is none that such weights have, or the values are not as many.
NORMKIT_API WeightArray ConvertWeights(WeightKind kind, const WeightArray& weights, Framework from,
                                       Framework to, const std::vector<int64_t>& flattened = {});

}  // namespace normkit
